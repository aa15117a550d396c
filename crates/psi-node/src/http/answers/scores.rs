//! The metrics of a step by their symbols.

use psi_engine::Metrics;
use psi_state::FieldView;
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};

use crate::metrics::STEP_METRICS;

/// Members of an object that shows metrics.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Scores(pub(in crate::http) Metrics);

impl Scores {
    pub(super) const COUNT: usize = STEP_METRICS.len();

    /// Symbols and numbers, in the order of the table.
    pub(in crate::http) fn iter(self) -> impl Iterator<Item = (&'static str, f64)> {
        STEP_METRICS.iter().map(|metric| metric.symbol).zip(self.0.to_array())
    }

    /// Writes them as members of a larger object: faster than what `flatten` makes of it.
    pub(super) fn write<S: SerializeStruct>(self, object: &mut S) -> Result<(), S::Error> {
        self.iter().try_for_each(|(symbol, number)| object.serialize_field(symbol, &number))
    }
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Self::COUNT))?;
        self.iter().try_for_each(|(symbol, number)| map.serialize_entry(symbol, &number))?;
        map.end()
    }
}

/// The latest step's metrics; before the first one, zeros and the nominal step length, as in the original service.
pub(in crate::http) fn latest(view: &FieldView) -> Metrics {
    let before = || {
        let mut zeros = Metrics::from_array([0.0; 8]);
        zeros.time_dilation = view.spec.spec.setup.parameters.dt();
        zeros
    };
    view.last.as_ref().map_or_else(before, |last| last.metrics)
}
