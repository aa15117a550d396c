//! What Prometheus scrapes. Counters and histograms are kept as things happen; what the merged view says is read
//! from it at the scrape.

mod drift;
mod ends;
mod family;
mod fields;
mod governance;
mod node;
mod peers;
mod process;
pub(crate) mod scrape;
mod snapshots;
mod step;
mod values;

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use prometheus::{Histogram, IntCounter, IntCounterVec, Registry};
use psi_api::Cause;
use psi_engine::{Action, guardian::Threat};
use psi_replica::{FieldName, NodeId};
use psi_state::Step;
use tonic::Code;

use crate::settings::Settings;
use drift::DriftMetrics;
use ends::EndMetrics;
pub(crate) use family::Family;
use fields::FieldMetrics;
use governance::{LeaseMetrics, LedgerMetrics, ProcessMetrics, rollouts::RolloutMetrics};
use node::{FAILED, NodeMetrics, OK, REFUSED};
use peers::PeerMetrics;
pub(crate) use peers::Traffic;
use snapshots::SnapshotMetrics;
pub(crate) use step::STEP_METRICS;

/// Every metric of one node, in a registry of its own: several nodes may share a process.
pub(crate) struct Metrics {
    registry: Registry,
    /// Members that were dead at this or an earlier scrape. Held by a scrape: gauges are cleared and set again, and
    /// another scrape must not see them in between.
    died: Mutex<BTreeSet<NodeId>>,
    fields: FieldMetrics,
    drift: DriftMetrics,
    node: NodeMetrics,
    /// One of the node's, looked up once.
    steps_ok: IntCounter,
    pub(crate) peers: PeerMetrics,
    pub(crate) ends: EndMetrics,
    pub(crate) snapshots: SnapshotMetrics,
    pub(crate) ledger: LedgerMetrics,
    pub(crate) leases: LeaseMetrics,
    pub(crate) processes: ProcessMetrics,
    pub(crate) rollouts: RolloutMetrics,
}

/// The rows of all families.
pub(crate) fn families() -> impl Iterator<Item = Family> {
    let steps = STEP_METRICS.into_iter().filter_map(|metric| metric.gauge);
    let others = [
        FieldMetrics::families(),
        FieldMetrics::version_families(),
        DriftMetrics::families(),
        NodeMetrics::FAMILIES,
        PeerMetrics::families(),
        EndMetrics::families(),
        SnapshotMetrics::families(),
        LedgerMetrics::families(),
        LeaseMetrics::families(),
        ProcessMetrics::families(),
        RolloutMetrics::families(),
        process::FAMILIES,
    ];
    steps.chain(others.into_iter().flatten().copied())
}

impl Metrics {
    pub(crate) fn new(settings: &Settings) -> Self {
        let registry = Registry::new();
        let node = NodeMetrics::register(&registry);
        node.prepare(settings);
        process::register(&registry);
        Self {
            died: Mutex::default(),
            fields: FieldMetrics::new(&registry, settings.field_series_max),
            drift: DriftMetrics::new(&registry),
            steps_ok: node.step_calls.with_label_values(&[OK]),
            node,
            peers: PeerMetrics::new(&registry),
            ends: EndMetrics::new(&registry, settings),
            snapshots: SnapshotMetrics::new(&registry),
            ledger: LedgerMetrics::new(&registry),
            leases: LeaseMetrics::new(&registry),
            processes: ProcessMetrics::new(&registry),
            rollouts: RolloutMetrics::new(&registry),
            registry,
        }
    }

    /// Counts steps; returns the one with which drift began, if it did.
    pub(crate) fn record_steps<'a>(&self, field: &FieldName, steps: &'a [Step]) -> Option<&'a Step> {
        self.node.steps.inc_by(steps.len() as u64);
        self.drift.record(field, steps)
    }

    /// Counts a call that steps. A refusal that the caller can avoid by sending something else is not a failure of
    /// the node. Not being ready, or not being fast enough, is.
    pub(crate) fn record_step_call(&self, refusal: Option<&Cause>) {
        let outcome = match refusal.map(|cause| cause.code) {
            None => return self.steps_ok.inc(),
            Some(Code::InvalidArgument | Code::NotFound) => REFUSED,
            Some(_) => FAILED,
        };
        self.node.step_calls.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn record_step_time(&self, took: Duration) {
        self.node.step_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn record_refusal(&self, reason: &str) {
        self.node.errors.with_label_values(&[reason]).inc();
    }

    pub(crate) fn record_repeat(&self) {
        self.node.repeats.inc();
    }

    pub(crate) fn record_intervention(&self, action: Action) {
        self.node.interventions.with_label_values(&[action.as_str()]).inc();
    }

    pub(crate) fn record_guardian_intervention(&self, action: Action, threat: Threat) {
        self.node.guardian_interventions.with_label_values(&[action.as_str(), threat.as_str()]).inc();
    }

    pub(crate) fn record_dropped_steps(&self, steps: u64) {
        self.node.steps_dropped.inc_by(steps);
    }

    pub(crate) fn record_link_refusal(&self, reason: &str) {
        self.node.link_refusals.with_label_values(&[reason]).inc();
    }

    pub(crate) fn record_gossip_restart(&self) {
        self.node.gossip_restarts.inc();
    }

    /// What of gossip was not let in, by reason.
    pub(crate) fn gossip_drops(&self) -> &IntCounterVec {
        &self.node.gossip_drops
    }

    /// Where answers are counted. `path` must be one of the routes, never what a client made up.
    pub(crate) fn http(&self, path: &str, code: u16) -> Histogram {
        self.node.http_seconds.with_label_values(&[path, &code.to_string()])
    }
}
