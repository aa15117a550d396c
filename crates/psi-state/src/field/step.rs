//! What the own origin does in a field: steps, and interventions by hand and by the guardian.

use ndarray::ArrayView1;
use psi_engine::{
    Action, EngineKind, Metrics, Noise,
    core::{FieldTime, Scored},
    guardian::{Mode, Threat},
    synthetic,
};
use psi_replica::{Origin, Version};
use psi_stats::Fixed;

use super::Field;
use crate::{component::moment::Moment, components::recent::Record};

/// What an input comes to.
#[derive(Debug)]
pub(crate) struct StepScore {
    engine: EngineKind,
    pub(crate) metrics: Metrics,
    attention_gain: f64,
    novelty: f64,
    /// Of an engine that learns.
    core: Option<Scored>,
}

/// What became of a step.
#[derive(Debug)]
pub(crate) struct StepOutcome {
    pub(crate) record: Record,
    pub(crate) engine: EngineKind,
    /// What the guardian is to intervene for.
    pub(crate) threat: Option<Threat>,
}

impl Field {
    /// Scores an input against the fold as step `k`. That its width, its numbers and the engine are right was checked
    /// before.
    #[inline]
    pub(crate) fn score(&mut self, input: &[f64], fixed: &[Fixed], k: u64) -> Option<StepScore> {
        let current = self.current()?;
        let (engine, parameters) = (current.engine?, &current.spec.setup.parameters);
        let novelty = self.parts.moments.novelty(fixed);
        if engine == EngineKind::Core {
            let parameters = parameters.clone();
            let scored = self.parts.learned.score(input, k, &parameters)?;
            let (metrics, attention_gain) = (scored.metrics, scored.attention_gain);
            return Some(StepScore { engine, metrics, attention_gain, novelty, core: Some(scored) });
        }
        let metrics = synthetic::score(ArrayView1::from(input), self.noise(), parameters);
        let attention_gain = parameters.attention_gain(metrics.density, metrics.prediction_error);
        Some(StepScore { engine, metrics, attention_gain, novelty, core: None })
    }

    /// Scores an input and takes it in, as part of the write `version` of the own origin. Checked before, as for
    /// [`Self::score`].
    #[inline]
    pub(crate) fn step(
        &mut self,
        local: &Moment,
        version: Version,
        input: &[f64],
        fixed: &[Fixed],
    ) -> Option<StepOutcome> {
        let intervenes = self.current()?.spec.setup.guardian == Mode::Intervene;
        let k = self.count() + 1;
        let StepScore { engine, metrics, attention_gain, novelty, core } = self.score(input, fixed, k)?;
        let (clock, origin) = local.clone();
        let record = Record { clock, origin, metrics, k, novelty, attention_gain };
        self.parts.moments.absorb(version, fixed).ok()?;
        self.parts.window.absorb(version, clock.second(), metrics).ok()?;
        self.parts.last.absorb(version, record.clone());
        let recorded = self.parts.guardian.records(clock);
        if let Some(scored) = core {
            self.learn(local, version, &scored, recorded);
        }
        let threat = if recorded {
            let interventions = self.parts.interventions.summary();
            self.parts.guardian.watch(local, version, (k, &metrics), interventions)
        } else {
            None
        };
        Some(StepOutcome { record, engine, threat: threat.filter(|_| intervenes) })
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

    /// ν.
    pub(crate) fn noise(&self) -> Noise {
        self.parts.interventions.noise()
    }

    /// t, where the engine keeps it.
    pub(crate) fn time(&self) -> Option<FieldTime> {
        self.parts.learned.time()
    }
}
