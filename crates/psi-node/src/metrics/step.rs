//! The eight metrics of a step: a row each. Gauges, answers over HTTP, the OpenAPI description and
//! `docs/reference.md` follow from it; the numbers themselves are in the order of [`Metrics::to_array`].

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

macro_rules! row {
    ($place:literal, $meaning:literal) => {
        StepMetric { name: Metrics::NAMES[$place], symbol: Metrics::SYMBOLS[$place], meaning: $meaning, gauge: None }
    };
    ($place:literal, $meaning:literal, $gauge:literal) => {
        StepMetric {
            gauge: Some(Family {
                name: $gauge,
                kind: SeriesKind::Gauge,
                labels: BY_FIELD,
                help: concat!($meaning, "; mean over the 60 s up to the field's latest step, of all nodes"),
            }),
            ..row!($place, $meaning)
        }
    };
}

/// In the order of [`Metrics::to_array`].
#[rustfmt::skip] // a table, one metric a row
pub(crate) const STEP_METRICS: [StepMetric; Metrics::NAMES.len()] = [
    row!(0, "Density (Psi): overall stability, 0 to 1", "psi_field_density"),
    row!(1, "Continuity (C): how well the present binds to the immediate past", "psi_field_continuity"),
    row!(2, "Futurity (U): anticipatory grip on the near future", "psi_field_futurity"),
    row!(3, "Phase coherence (Phi): temporal alignment", "psi_field_phase_coherence"),
    row!(4, "Temporal entropy (H), nats", "psi_field_temporal_entropy"),
    row!(5, "Prediction error (PE)", "psi_field_prediction_error"),
    row!(6, "Active mnemonic capacity (M)"),
    row!(7, "Effective integration step (dt_eff), seconds", "psi_field_time_dilation"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_bears_the_name_of_its_metric() {
        for metric in STEP_METRICS {
            if let Some(gauge) = metric.gauge {
                assert_eq!(gauge.name, format!("psi_field_{}", metric.name));
            }
            assert!(metric.meaning.contains(metric.symbol), "{metric:?}");
        }
    }
}
