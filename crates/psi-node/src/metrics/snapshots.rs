//! Series of the snapshots on disk; all zero on a node without a data directory.

use std::time::Duration;

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge};

use super::{count, maker::Maker};
use crate::snapshot::Operation;

pub(crate) struct SnapshotMetrics {
    written: IntCounter,
    failures: IntCounterVec,
    refused: IntCounterVec,
    last: Gauge,
    seconds: Gauge,
    bytes: IntGauge,
}

impl SnapshotMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        let number = |name: &str, help: &str| make.add(Gauge::new(name, help));
        let snapshots = Self {
            written: make.counter("psi_snapshot_writes_total", "Snapshots written to the data directory"),
            failures: make.counters(
                "psi_snapshot_failures_total",
                "Snapshots that could not be written, by the operation that failed",
                &["operation"],
            ),
            refused: make.counters(
                "psi_snapshot_refused_total",
                "Snapshots found at the start and set aside, by reason",
                &["reason"],
            ),
            last: number(
                "psi_snapshot_last_timestamp_seconds",
                "When the latest snapshot was written, seconds since the Unix epoch; 0 if none was",
            ),
            seconds: number("psi_snapshot_duration_seconds", "Time that the latest snapshot took to write"),
            bytes: make.gauge("psi_snapshot_bytes", "Size of the latest snapshot"),
        };
        // A rate needs a series that was there before the first failure.
        for operation in Operation::ALL {
            snapshots.failures.with_label_values(&[operation.as_str()]);
        }
        snapshots
    }

    pub(crate) fn written(&self, bytes: u64, took: Duration, wall_ms: u64) {
        self.written.inc();
        self.bytes.set(count(bytes));
        self.seconds.set(took.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
        self.last.set(wall_ms as f64 / 1000.0);
    }

    pub(crate) fn failed(&self, operation: &str) {
        self.failures.with_label_values(&[operation]).inc();
    }

    pub(crate) fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }
}
