//! What a field's entries fold to: the answer that every replica with the same frontier gives.

use psi_engine::{
    Metrics, Noise,
    guardian::{Sample, Statistics, Threat, Thresholds},
};
use psi_stats::{Moments, Scale};

use crate::{learned::LearnedView, spec::CurrentSpec, value::Record};

/// A field as the entries of all origins make it.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldView {
    /// What the field is.
    pub spec: CurrentSpec,
    /// Steps accepted in this epoch by all origins.
    pub count: u64,
    /// Exact moments of the inputs, 512 dimensions each.
    pub moments: Vec<Moments>,
    /// Exact moments of the metrics over the 60 s up to the latest step's clock, dimensions as
    /// [`Metrics::NAMES`]. A view depends on the accepted records alone, not on when it is read.
    pub window: Moments,
    /// The step with the highest clock; `None` before the first.
    pub last: Option<Record>,
    /// ν: the fold of all interventions in clock order.
    pub noise: Noise,
    /// Interventions in this epoch that count, by hand and by the guardian.
    pub interventions: u64,
    /// What the guardian has seen and done.
    pub guardian: GuardianView,
    /// What was learned, where the engine learns.
    pub learned: Option<LearnedView>,
    /// Steps that resets and drops of the field have discarded, as far as their origins have said.
    pub steps_dropped: u64,
}

/// What the guardians of all nodes have seen and done in a field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuardianView {
    /// The latest steps that they looked at, 200 at most, newest first.
    pub history: Vec<Sample>,
    /// Why the red flag is up, or that it is down.
    pub flag: Option<Threat>,
    /// Interventions by the guardian that count, of the last 64 of each origin.
    pub automatic: u64,
    /// Interventions by the guardian that don't count, since another node's came first; of the last 64 of each origin.
    pub superseded: u64,
    /// The field's step count at the latest intervention; `None` before the first.
    pub last_step: Option<u64>,
}

impl GuardianView {
    /// What the next step is judged by, but for its own sample.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        Thresholds::of(&self.history)
    }

    /// Statistics of the history.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.history)
    }

    /// The threat that the latest step is, if it is one.
    #[must_use]
    pub fn current_threat(&self) -> Option<Threat> {
        self.thresholds().threat(self.history.first()?)
    }
}

impl FieldView {
    /// Mean of the inputs, one number a dimension; `None` before the first step.
    #[must_use]
    pub fn mean(&self) -> Option<Vec<f64>> {
        self.read(Moments::mean)
    }

    /// Sample variance of the inputs (divides by n − 1); `None` before the second step.
    #[must_use]
    pub fn variance(&self) -> Option<Vec<f64>> {
        self.read(Moments::variance)
    }

    /// Standard deviation of the inputs; `None` before the second step.
    #[must_use]
    pub fn standard_deviation(&self) -> Option<Vec<f64>> {
        self.read(Moments::standard_deviation)
    }

    /// Mean metrics over the window; `None` before the first step.
    #[must_use]
    pub fn window_mean(&self) -> Option<Metrics> {
        let mean = self.window.mean(Scale::default())?;
        Some(Metrics::from_array(mean.try_into().ok()?))
    }

    fn read(&self, readout: impl Fn(&Moments, Scale) -> Option<Vec<f64>>) -> Option<Vec<f64>> {
        let scale = self.spec.spec.setup.shape.scale;
        let parts: Option<Vec<_>> = self.moments.iter().map(|moments| readout(moments, scale)).collect();
        Some(parts?.concat())
    }
}
