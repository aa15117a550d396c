//! Series of versions of models: how their steps went, on all nodes.

use prometheus::{IntGaugeVec, Registry};
use psi_rollout::Tally;

use crate::metrics::{
    family::{Family, families},
    values::count,
};

families! {
    struct VersionSeries {
        outcomes: IntGaugeVec = "psi_version_outcomes" ["model", "version"]
            "Steps whose callers said how they went, on all nodes, in the epoch of the version's field";
        errors: IntGaugeVec = "psi_version_errors" ["model", "version"] "Of these, steps that failed";
        timed: IntGaugeVec = "psi_version_timed_outcomes" ["model", "version"] "Of these, steps with a latency";
        latency: GaugeVec = "psi_version_latency_sum_seconds" ["model", "version"] "Sum of their latencies";
    }
}

/// Series of the fields that are versions.
pub(super) struct VersionMetrics(VersionSeries);

impl VersionMetrics {
    pub(super) fn families() -> &'static [Family] {
        VersionSeries::FAMILIES
    }

    pub(super) fn new(registry: &Registry) -> Self {
        Self(VersionSeries::register(registry))
    }

    pub(super) fn reset(&self) {
        let VersionSeries { outcomes, errors, timed, latency } = &self.0;
        [outcomes, errors, timed].into_iter().for_each(IntGaugeVec::reset);
        latency.reset();
    }

    /// Shows a field that is a version, and no other.
    #[expect(clippy::cast_precision_loss, reason = "rounded to the nearest")]
    pub(super) fn show(&self, field: &str, total: &Tally) {
        let Some((model, version)) = field.split_once('@') else { return };
        let labels = [model, version];
        self.0.outcomes.with_label_values(&labels).set(count(total.steps));
        self.0.errors.with_label_values(&labels).set(count(total.errors));
        self.0.timed.with_label_values(&labels).set(count(total.timed_steps));
        self.0.latency.with_label_values(&labels).set(total.latency_us as f64 / 1e6);
    }
}
