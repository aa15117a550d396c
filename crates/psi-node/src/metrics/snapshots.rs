//! Series of the snapshots on disk; all zero on a node without a data directory.

use std::time::Duration;

use prometheus::Registry;

use super::{
    family::{Family, families},
    values::{count, seconds},
};
use crate::snapshot::store::Operation;

families! {
    pub(crate) struct SnapshotMetrics {
        written: IntCounter = "psi_snapshot_writes_total" [] "Snapshots written to the data directory";
        failures: IntCounterVec = "psi_snapshot_failures_total" ["operation"]
            "Snapshots that could not be written, by the operation that failed";
        refused: IntCounterVec = "psi_snapshot_refused_total" ["reason"]
            "Snapshots found at the start and set aside, by reason";
        last: Gauge = "psi_snapshot_last_timestamp_seconds" []
            "When the latest snapshot was written, seconds since the Unix epoch; 0 if none was";
        seconds: Gauge = "psi_snapshot_duration_seconds" [] "Time that the latest snapshot took to write";
        bytes: IntGauge = "psi_snapshot_bytes" [] "Size of the latest snapshot";
    }
}

impl SnapshotMetrics {
    pub(super) fn families() -> &'static [Family] {
        Self::FAMILIES
    }

    pub(super) fn new(registry: &Registry) -> Self {
        let snapshots = Self::register(registry);
        // A rate needs a series that was there before the first failure.
        for operation in Operation::ALL {
            snapshots.failures.with_label_values(&[operation.as_str()]);
        }
        snapshots
    }

    pub(crate) fn record_write(&self, bytes: u64, took: Duration, wall_ms: u64) {
        self.written.inc();
        self.bytes.set(count(bytes));
        self.seconds.set(took.as_secs_f64());
        self.last.set(seconds(wall_ms));
    }

    pub(crate) fn record_failure(&self, operation: &str) {
        self.failures.with_label_values(&[operation]).inc();
    }

    pub(crate) fn record_refusal(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }
}
