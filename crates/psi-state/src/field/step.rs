//! What the own origin does in a field: steps, and interventions by hand and by the guardian.

use std::sync::Arc;

use ndarray::ArrayView1;
use psi_engine::{
    Action, EngineKind, Metrics, Noise,
    core::{FieldTime, Scored},
    guardian::{Mode, Threat},
    synthetic,
};
use psi_replica::{Origin, Version};
use psi_rollout::{Measure, Subject};
use psi_stats::{Fixed, ZScores};

use super::Field;
use crate::{
    component::{moment::Moment, names::ColumnNames},
    components::{
        drift::{
            registration::Shortage,
            values::{BaselineCounts, BaselineTitle},
            view::DriftView,
        },
        outcomes::{MeasuredUnits, OutcomeReport},
        recent::Record,
    },
};

/// What an input comes to.
#[derive(Debug)]
pub(crate) struct StepScore {
    engine: EngineKind,
    pub(crate) metrics: Metrics,
    attention_gain: f64,
    z_scores: ZScores,
    /// Of an engine that learns.
    core: Option<Scored>,
}

/// What became of a step.
#[derive(Debug)]
pub(crate) struct StepOutcome {
    pub(crate) record: Record,
    pub(crate) engine: EngineKind,
    /// What the guardian takes the step for.
    pub(crate) threat: Option<Threat>,
    /// What it is to intervene for.
    pub(crate) intervention: Option<Threat>,
    /// How far it lies off all before it.
    pub(crate) z_scores: ZScores,
}

impl Field {
    /// Scores an input against the fold as step `k`. That its width, its numbers and the engine are right was checked
    /// before.
    #[inline]
    pub(crate) fn score(&mut self, input: &[f64], fixed: &[Fixed], k: u64) -> Option<StepScore> {
        let current = self.current()?;
        let (engine, parameters) = (current.engine?, &current.spec.setup.parameters);
        let z_scores = self.parts.moments.z_scores(fixed);
        if engine == EngineKind::Core {
            let parameters = parameters.clone();
            let scored = self.parts.learned.score(input, k, &parameters)?;
            let (metrics, attention_gain) = (scored.metrics, scored.attention_gain);
            return Some(StepScore { engine, metrics, attention_gain, z_scores, core: Some(scored) });
        }
        let metrics = synthetic::score(ArrayView1::from(input), self.noise(), parameters);
        let attention_gain = parameters.attention_gain(metrics.density, metrics.prediction_error);
        Some(StepScore { engine, metrics, attention_gain, z_scores, core: None })
    }

    /// Scores an input and takes it in, as part of the write `version` of the own origin, and counts how it went.
    /// Checked before, as for [`Self::score`].
    #[inline]
    pub(crate) fn step(
        &mut self,
        local: &Moment,
        version: Version,
        input: &[f64],
        fixed: &[Fixed],
        report: Option<&OutcomeReport>,
    ) -> Option<StepOutcome> {
        let intervenes = self.current()?.spec.setup.guardian == Mode::Intervene;
        let k = self.count() + 1;
        let StepScore { engine, metrics, attention_gain, z_scores, core } = self.score(input, fixed, k)?;
        let (clock, origin) = local.clone();
        let novelty = z_scores.root_mean_square();
        let record = Record { clock, origin, metrics, k, novelty, attention_gain };
        self.parts.moments.absorb(version, fixed).ok()?;
        self.parts.window.absorb(version, clock.second(), metrics).ok()?;
        self.parts.last.absorb(version, record.clone());
        if let Some(report) = report {
            let measured = self.measured(&report.measures, (&metrics, novelty, input));
            self.parts.outcomes.absorb(version, report, &measured).ok()?;
        }
        if let Some(current) = &self.current {
            self.parts.watch_drift(local, version, fixed, &current.spec.setup.parameters);
        }
        let recorded = self.parts.guardian.records(clock);
        if let Some(scored) = core {
            self.learn(local, version, &scored, recorded);
        }
        let (threat, intervention) = if recorded {
            let interventions = self.parts.interventions.summary();
            self.parts.guardian.watch(local, version, (k, &metrics), interventions)
        } else {
            (self.parts.guardian.threat(&metrics), None)
        };
        let intervention = intervention.filter(|_| intervenes);
        Some(StepOutcome { record, engine, threat, intervention, z_scores })
    }

    /// What gates of a rollout measure of a step, by their places in the plan. A column without a name goes by its
    /// number, from 0.
    fn measured(&self, measures: &[Measure], (metrics, novelty, input): (&Metrics, f64, &[f64])) -> MeasuredUnits {
        let mut measured = MeasuredUnits::default();
        if measures.is_empty() {
            return measured;
        }
        let names = self.column_names();
        for (units, measure) in measured.iter_mut().zip(measures) {
            let value = match measure.subject() {
                Subject::Metric(place) => metrics.to_array().get(*place).copied(),
                Subject::Novelty => Some(novelty),
                Subject::Column(name) => {
                    let column = ColumnNames::column_of(names.as_ref(), input.len(), name);
                    column.and_then(|column| input.get(column).copied())
                }
            };
            *units = value.map(|value| measure.units(value));
        }
        measured
    }

    /// Writes own spans of time that are over by `second`.
    pub(crate) fn write_due(&mut self, second: u64, local: &Moment, version: Version) {
        if let Some(current) = &self.current {
            self.parts.write_due(second, local, version, &current.spec.setup.parameters);
        }
    }

    /// The baseline that what is kept makes: of the last `seconds`, or of as much as there is.
    pub(crate) fn kept_baseline(&self, seconds: Option<u64>) -> Result<BaselineCounts, Shortage> {
        let parameters = self.current().map(|current| &current.spec.setup.parameters);
        parameters.map_or(Err(Shortage::default()), |parameters| self.parts.kept_baseline(seconds, parameters))
    }

    /// Sets a baseline for a caller, as part of the write `version`; `None`: there is to be none.
    pub(crate) fn write_baseline(
        &mut self,
        local: &Moment,
        version: Version,
        asked: (Option<BaselineCounts>, BaselineTitle),
    ) {
        if let Some(current) = &self.current {
            self.parts.write_baseline(local, version, asked, &current.spec.setup.parameters);
        }
    }

    /// The second from which on there is something to write of what was counted; not while a batch works on a copy.
    pub(crate) fn due_at(&self) -> Option<u64> {
        self.gathered_at().filter(|_| !self.is_checked_out())
    }

    /// The same, whether or not one does.
    pub(crate) fn gathered_at(&self) -> Option<u64> {
        self.parts.drift.due_at()
    }

    /// The verdict as of the latest spans of time.
    pub(crate) fn latest_drift(&self) -> Option<Arc<DriftView>> {
        Some(self.parts.latest_drift(&self.current()?.spec.setup.parameters))
    }

    fn learn(&mut self, local: &Moment, version: Version, scored: &Scored, recorded: bool) {
        let Some(parameters) = self.current().map(|current| current.spec.setup.parameters.clone()) else { return };
        self.parts.learned.absorb(local, version, scored, &parameters, recorded);
        self.parts.settle();
    }

    /// Whether it is worth a write to give up own memories that others have outdated. Not while a batch works on a copy of
    /// them.
    pub(crate) fn has_outdated(&mut self, local: &Origin) -> bool {
        !self.is_checked_out() && self.parts.learned.has_outdated(local)
    }

    /// Gives up own memories that others have outdated, as part of the write `version`; returns whether there were any.
    pub(crate) fn give_up_outdated(&mut self, local: &Origin, version: impl FnOnce() -> Version) -> bool {
        self.parts.learned.give_up_outdated(local, version)
    }

    /// Records an intervention of the own origin as part of the write `version`, for the guardian's reason if there is
    /// one.
    pub(crate) fn intervene(&mut self, local: &Moment, version: Version, action: Action, threat: Option<Threat>) {
        let k = self.count();
        self.parts.interventions.write(local, version, action, k, threat);
        self.parts.settle();
    }

    /// Takes the red flag down without an intervention, as part of the write `version`.
    pub(crate) fn acknowledge(&mut self, local: &Moment, version: Version) {
        self.parts.guardian.acknowledge(local, version);
    }

    /// ν.
    pub(crate) fn noise(&self) -> Noise {
        self.parts.interventions.noise()
    }

    /// t, where the engine keeps it.
    pub(crate) fn time(&self) -> Option<FieldTime> {
        self.parts.learned.time()
    }
}
