//! Series of the ledger: what this node recorded, and which heads of others it believes. And of leases,
//! processes and rollouts.

pub(super) mod rollouts;

use std::time::Duration;

use prometheus::Registry;
use psi_process::{Severity, Verdict};

use super::{
    family::{Family, families},
    values::count,
};
use crate::governance::ledger::conflict::Conflict;

/// Why a store of ledgers is set aside.
const STORE_REFUSALS: [&str; 3] = ["DAMAGED", "UNREADABLE", "UNUSABLE"];

families! {
    pub(crate) struct LedgerMetrics {
        records: IntCounter = "psi_ledger_records_total" [] "Records that this node wrote to its ledger";
        dropped: IntCounter = "psi_ledger_records_dropped_total" []
            "Records that could not wait for the disk, and are missing from the ledger";
        failures: IntCounter = "psi_ledger_failures_total" [] "Failed writes to the store of ledgers on disk";
        refused: IntCounterVec = "psi_ledger_store_refused_total" ["reason"]
            "Stores of ledgers found at the start and set aside, by reason";
        seconds: Gauge = "psi_ledger_write_seconds" [] "Time that the latest write of records to disk took";
        believed: IntCounter = "psi_ledger_heads_believed_total" []
            "Heads of other runs that were proved to go on from what this node holds";
        refusals: IntCounter = "psi_ledger_heads_refused_total" []
            "Heads of other runs that nobody who is trusted signed";
        conflicts: IntCounterVec = "psi_ledger_conflicts_total" ["kind"]
            "Heads that contradict one that was signed before: fork, other_key or set_back";
        rewinds: IntCounter = "psi_ledger_rewinds_total" []
            "Starts at which this node's disk knew less of its ledger than its peers did";
        unproven: Gauge = "psi_ledger_unproven_seconds" []
            "For how long the oldest head has been shown that could not be proved yet; 0 if none is";
        incomplete: IntGauge = "psi_ledger_incomplete" []
            "Ledgers of which this node does not hold every record that their heads cover";
    }
}

impl LedgerMetrics {
    pub(super) fn families() -> &'static [Family] {
        Self::FAMILIES
    }

    pub(super) fn new(registry: &Registry) -> Self {
        let ledger = Self::register(registry);
        // A rate needs a series that was there before the first conflict.
        for conflict in Conflict::ALL {
            ledger.conflicts.with_label_values(&[conflict.name()]);
        }
        for reason in STORE_REFUSALS {
            ledger.refused.with_label_values(&[reason]);
        }
        ledger
    }

    pub(crate) fn record_write(&self, records: u64, took: Duration) {
        self.records.inc_by(records);
        self.seconds.set(took.as_secs_f64());
    }

    pub(crate) fn record_dropped(&self) {
        self.dropped.inc();
    }

    pub(crate) fn record_failure(&self) {
        self.failures.inc();
    }

    pub(crate) fn record_store_refusal(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    pub(crate) fn record_believed(&self) {
        self.believed.inc();
    }

    pub(crate) fn record_refusal(&self) {
        self.refusals.inc();
    }

    pub(crate) fn record_conflict(&self, conflict: Conflict) {
        self.conflicts.with_label_values(&[conflict.name()]).inc();
    }

    pub(crate) fn record_rewind(&self) {
        self.rewinds.inc();
    }

    pub(crate) fn set_unproven(&self, oldest: Duration, incomplete: u64) {
        self.unproven.set(oldest.as_secs_f64());
        self.incomplete.set(count(incomplete));
    }
}

families! {
    pub(crate) struct LeaseMetrics {
        contention: IntCounter = "psi_lease_contention_total" []
            "Leases that callers of this node asked for while another held them, or was faster";
    }
}

impl LeaseMetrics {
    pub(super) fn families() -> &'static [Family] {
        Self::FAMILIES
    }

    pub(super) fn new(registry: &Registry) -> Self {
        Self::register(registry)
    }

    pub(crate) fn record_contention(&self) {
        self.contention.inc();
    }
}

families! {
    pub(crate) struct ProcessMetrics {
        gates: IntCounterVec = "psi_process_gates_total" ["verdict"]
            "Gates that this node judged when a task was to advance: pass, fail or hold";
        drift: IntCounterVec = "psi_process_drift_detected_total" ["severity"]
            "Gates that found nodes or work other than the baseline says, by the severity of the phase";
        emergency: IntGauge = "psi_process_emergency" [] "1 while the emergency switch is on, so that no gate blocks";
        behind: IntGauge = "psi_process_registers_behind" []
            "Registers of processes and their tasks that former voters decide on: keep those up until it is 0";
    }
}

impl ProcessMetrics {
    pub(super) fn families() -> &'static [Family] {
        Self::FAMILIES
    }

    pub(super) fn new(registry: &Registry) -> Self {
        let processes = Self::register(registry);
        // A rate needs a series that was there before the first.
        for verdict in ["pass", "fail", "hold"] {
            processes.gates.with_label_values(&[verdict]);
        }
        for severity in [Severity::Low, Severity::Medium, Severity::High] {
            processes.drift.with_label_values(&[&severity.to_string()]);
        }
        processes
    }

    pub(crate) fn record_judgement(&self, verdict: Verdict) {
        let name = match verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Hold(_) => "hold",
        };
        self.gates.with_label_values(&[name]).inc();
    }

    pub(crate) fn record_drift(&self, severity: &str) {
        self.drift.with_label_values(&[severity]).inc();
    }

    pub(super) fn set_behind(&self, registers: u64) {
        self.behind.set(count(registers));
    }

    pub(super) fn set_emergency(&self, on: bool) {
        self.emergency.set(on.into());
    }
}
