//! What is read out of a field's view.

use psi_engine::Metrics;
use psi_stats::{Moments, Scale};

use crate::{component::names::ColumnNames, components::FieldView};

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

    /// The column that people call so; where columns have no names, the one of this number, from 0.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        ColumnNames::column_of(self.names.as_ref(), self.spec.spec.setup.shape.width, name)
    }

    fn read(&self, readout: impl Fn(&Moments, Scale) -> Option<Vec<f64>>) -> Option<Vec<f64>> {
        let scale = self.spec.spec.setup.shape.scale;
        let parts: Option<Vec<_>> = self.moments.parts.iter().map(|moments| readout(moments, scale)).collect();
        Some(parts?.concat())
    }
}
