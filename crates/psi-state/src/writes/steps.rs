//! Steps, one by one and in batches.

use std::sync::Arc;

use psi_engine::{Action, EngineKind, Metrics, core::FieldTime, guardian::Threat};
use psi_replica::{Clock, Epoch, FieldName, Now, Origin, Version, Writer};
use psi_stats::{COUNT_LIMIT, ColumnZ, FARTHEST, Fixed, quantize_into};

use super::error::WriteError;
use crate::{
    component::names::ColumnNames,
    components::{drift::view::DriftView, outcomes::OutcomeReport, recent::Record},
    event::StateEvent,
    field::{Field, StepOutcome},
    limits::BATCH_MAX,
    replica::Replica,
    state::State,
};

/// A step that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The field's epoch.
    pub epoch: Epoch,
    /// What scored it.
    pub engine: EngineKind,
    /// Its score.
    pub metrics: Metrics,
    /// The field's merged step count when it was scored, its own included.
    pub k: u64,
    /// When it was accepted.
    pub clock: Clock,
    /// Who accepted it.
    pub origin: Origin,
    /// The version that the write took.
    pub version: Version,
    /// Root mean square z-score of the input against all that came before, over the dimensions that vary, and at most the
    /// root of their number: what a dimension gets that never varied and does. 0 before two steps.
    pub novelty: f64,
    /// g0 + g1·Ψ − g2·PE.
    pub attention_gain: f64,
    /// t: the sum of all effective steps of the field, this one included, seconds; of an engine that keeps it.
    pub time: Option<f64>,
    /// Names of the field's columns, if it has any.
    pub names: Option<ColumnNames>,
    /// The columns that lie farthest off the earlier inputs, at most three, the farthest first.
    pub farthest: [Option<ColumnZ>; FARTHEST],
    /// Whether it is unlike all before it: by the field's threshold of novelty, or by one column alone. A column that
    /// varies for the first time is one, whatever the threshold.
    pub unusual: bool,
    /// What the guardian takes it for, whether it intervenes or watches.
    pub threat: Option<Threat>,
    /// What the guardian did after it.
    pub intervened: Option<(Action, Threat)>,
    /// Whether the field's inputs still come from where the baseline came from, as of the latest span of time.
    pub drift: Arc<DriftView>,
}

/// Of so few steps, none is unusual.
const USUAL_AFTER: u64 = 100;
/// A column that lies so many times the threshold of novelty off is unusual by itself.
const BY_COLUMN: f64 = 10.0 / 6.0;

impl Step {
    /// What is answered for a step that the field has just taken in.
    pub(super) fn new(field: &Field, outcome: StepOutcome, version: Version) -> Self {
        let StepOutcome { record, engine, threat, intervention, z_scores } = outcome;
        let Record { clock, origin, metrics, k, novelty, attention_gain } = record;
        let (epoch, time) = (field.epoch(), field.time().map(FieldTime::seconds));
        let intervened = intervention.map(|threat| (threat.action(), threat));
        let threshold = field.current().map_or(f64::MAX, |current| current.spec.setup.parameters.novelty_threshold());
        let unusual = k > USUAL_AFTER && z_scores.reaches(threshold, BY_COLUMN * threshold);
        let drift = field.latest_drift().unwrap_or_default();
        Self {
            epoch,
            engine,
            metrics,
            k,
            clock,
            origin,
            version,
            novelty,
            attention_gain,
            time,
            names: field.column_names(),
            farthest: z_scores.farthest(),
            unusual,
            threat,
            intervened,
            drift,
        }
    }
}

impl Replica {
    /// Scores one vector against the merged view and takes it in.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn step(&mut self, now: Now, field: &FieldName, input: &[f64]) -> Result<Step, WriteError> {
        self.step_with_outcome(now, field, input, None)
    }

    /// [`Self::step`], and counts how it went.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn step_with_outcome(
        &mut self,
        now: Now,
        field: &FieldName,
        input: &[f64],
        report: Option<&OutcomeReport>,
    ) -> Result<Step, WriteError> {
        let (state, mut writer) = self.begin_growth(now)?;
        let quantized = state.checked(field, &[input]).map_err(|(_, error)| error)?;
        let mut steps = state.absorb(&mut writer, field, &[(input, report)], &quantized);
        Ok(steps.pop().expect("one vector gives one step"))
    }

    /// The metrics that a step of this vector would get now; nothing is taken in.
    ///
    /// # Errors
    /// [`WriteError`], as for a step.
    pub fn score(&mut self, name: &FieldName, input: &[f64]) -> Result<Metrics, WriteError> {
        self.readiness().for_writing()?;
        let state = self.state_mut();
        let quantized = state.checked(name, &[input]).map_err(|(_, error)| error)?;
        let field = state.field_mut(name);
        let k = field.count() + 1;
        Ok(field.score(input, &quantized, k).expect("checked: width, count and engine fit").metrics)
    }

    /// Scores and takes in vectors in their order, as one write: all of them or none.
    ///
    /// # Errors
    /// [`WriteError`], naming the vector; nothing is changed then.
    pub fn step_batch(&mut self, now: Now, field: &FieldName, inputs: &[&[f64]]) -> Result<Vec<Step>, WriteError> {
        self.step_batch_with_outcomes(now, field, inputs, &[])
    }

    /// [`Self::step_batch`], and counts how each went. A report that is missing at the end is none.
    ///
    /// # Errors
    /// [`WriteError`], naming the vector; nothing is changed then.
    pub fn step_batch_with_outcomes(
        &mut self,
        now: Now,
        field: &FieldName,
        inputs: &[&[f64]],
        reports: &[Option<OutcomeReport>],
    ) -> Result<Vec<Step>, WriteError> {
        check_size(inputs.len())?;
        let (state, mut writer) = self.begin_growth(now)?;
        let quantized = state.checked_batch(field, inputs)?;
        let reports = reports.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        let reported: Vec<_> = inputs.iter().copied().zip(reports).collect();
        Ok(state.absorb(&mut writer, field, &reported, &quantized))
    }
}

/// Refuses an empty or too long batch.
pub(super) fn check_size(vectors: usize) -> Result<(), WriteError> {
    if (1..=BATCH_MAX).contains(&vectors) {
        return Ok(());
    }
    Err(WriteError::BatchSize(vectors))
}

impl State {
    /// [`Self::checked`] of a batch.
    pub(super) fn checked_batch(&self, field: &FieldName, inputs: &[&[f64]]) -> Result<Vec<Fixed>, WriteError> {
        self.checked(field, inputs).map_err(|(position, source)| match source {
            WriteError::Width { .. } | WriteError::Component { .. } => {
                WriteError::InBatch { position, source: Box::new(source) }
            }
            other => other,
        })
    }

    /// Checks everything that could go wrong with a write of these vectors, once the replica is ready; gives them in
    /// fixed point, one after the other.
    fn checked(&self, name: &FieldName, inputs: &[&[f64]]) -> Result<Vec<Fixed>, (usize, WriteError)> {
        let whole = |error: WriteError| (0, error);
        let field = self.existing(name).map_err(whole)?;
        if field.is_checked_out() {
            return Err(whole(WriteError::Busy(name.clone())));
        }
        let current = field.current().expect("an existing field has a spec");
        if current.engine.is_none() {
            let engine = current.spec.setup.shape.engine.clone();
            return Err(whole(WriteError::EngineHere { field: name.clone(), engine }));
        }
        let count = field.count();
        if count.saturating_add(inputs.len() as u64) >= COUNT_LIMIT {
            return Err(whole(WriteError::Full { field: name.clone(), count }));
        }
        self.check_version(name, field).map_err(whole)?;
        let (want, scale) = (current.spec.setup.shape.width, current.spec.setup.shape.scale);
        // Room for what was given, not for what should have been.
        let mut quantized = Vec::with_capacity(inputs.iter().map(|input| input.len()).sum());
        for (position, input) in inputs.iter().enumerate() {
            if input.len() != want {
                let error = WriteError::Width { field: name.clone(), got: input.len(), want };
                return Err((position, error));
            }
            quantize_into(&mut quantized, input, scale)
                .map_err(|error| (position, WriteError::Component { index: error.index, source: error.source }))?;
        }
        Ok(quantized)
    }

    /// Takes in vectors that were checked.
    fn absorb(
        &mut self,
        writer: &mut Writer<'_, StateEvent>,
        name: &FieldName,
        inputs: &[(&[f64], Option<&OutcomeReport>)],
        quantized: &[Fixed],
    ) -> Vec<Step> {
        let (version, origin) = (writer.version(), writer.origin().clone());
        let mut steps = Vec::with_capacity(inputs.len());
        let mut rest = quantized;
        let field = self.fields.get_mut(name).expect("checked: the field exists");
        // What is written by the clock is known to wait, unless these steps are the first of their second.
        let due = field.due_at();
        for (input, report) in inputs {
            let (fixed, after) = rest.split_at(input.len());
            rest = after;
            let moment = (writer.tick(), origin.clone());
            let outcome = field.step(&moment, version, input, fixed, *report);
            let outcome = outcome.expect("checked: width, count and engine fit");
            let threat = outcome.intervention;
            steps.push(Step::new(field, outcome, version));
            if let Some(threat) = threat {
                field.intervene(&(writer.tick(), origin.clone()), version, threat.action(), Some(threat));
            }
        }
        let (is_declared, is_awaited) = (field.is_declared_by(&origin), field.due_at() == due);
        if !self.dirty.contains(name) {
            self.dirty.insert(name.clone());
        }
        if !is_awaited {
            self.await_due(name);
        }
        if !is_declared {
            self.declare_epoch(writer, name);
        }
        steps
    }
}
