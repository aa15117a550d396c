//! The eight metrics of a step, made from the rows of [`psi_engine::for_each_metric`]. Gauges, answers over HTTP, the
//! OpenAPI description and `docs/reference.md` follow; the numbers themselves are in the order of
//! [`Metrics::to_array`].

use psi_engine::Metrics;

use super::family::{Family, SeriesKind};

pub(super) const BY_FIELD: &[&str] = &["field", "engine"];

/// One metric of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepMetric {
    /// In metrics, over gRPC and on the command line.
    pub(crate) name: &'static str,
    /// Over HTTP.
    pub(crate) symbol: &'static str,
    pub(crate) meaning: &'static str,
    /// The gauge that shows its mean over the window, if there is one.
    pub(crate) gauge: Option<Family>,
}

/// The gauge of a metric. `memory` has none: no rule or dashboard looks at its mean.
macro_rules! gauge {
    (memory $meaning:literal) => {
        None
    };
    ($name:ident $meaning:literal) => {
        Some(Family {
            name: concat!("psi_field_", stringify!($name)),
            kind: SeriesKind::Gauge,
            labels: BY_FIELD,
            help: concat!($meaning, "; mean over the 60 s up to the field's latest step, of all nodes"),
        })
    };
}

macro_rules! step_metrics {
    ($($(#[$documentation:meta])* $name:ident $symbol:literal $letter:literal $meaning:literal;)+) => {
        /// In the order of [`Metrics::to_array`].
        pub(crate) const STEP_METRICS: [StepMetric; Metrics::COUNT] = [$(StepMetric {
            name: stringify!($name),
            symbol: $symbol,
            meaning: $meaning,
            gauge: gauge!($name $meaning),
        }),+];
    };
}
psi_engine::for_each_metric!(step_metrics);
