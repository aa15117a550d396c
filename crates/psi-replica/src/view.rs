//! What a field's entries fold to: the answer that every replica with the same frontier gives.

use psi_engine::{Metrics, Noise};
use psi_stats::{Moments, Scale};

use crate::{spec::CurrentSpec, value::Record};

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
    /// Interventions in this epoch.
    pub interventions: u64,
    /// Steps that resets and drops of the field have discarded, as far as their origins have said.
    pub steps_dropped: u64,
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
        let scale = self.spec.spec.shape.scale;
        let parts: Option<Vec<_>> = self.moments.iter().map(|moments| readout(moments, scale)).collect();
        Some(parts?.concat())
    }
}
