//! What Prometheus scrapes. Counters and histograms are kept as things happen; what the merged view says is read
//! from it at the scrape.

mod fields;
mod maker;
mod peers;
mod snapshots;

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    TextEncoder,
};
use psi_api::Cause;
use psi_engine::{Action, guardian::Threat};
use psi_replica::{FieldView, NodeId, Replica};
use tonic::Code;

use crate::{members::Member, settings::Settings, shared::Shared};
use fields::FieldMetrics;
use maker::Maker;
use peers::PeerMetrics;
pub(crate) use peers::Traffic;
use snapshots::SnapshotMetrics;

/// Version and commit that the binary was built from.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Upper bounds in seconds: a step takes microseconds, a stalled machine seconds.
const LATENCY_SECONDS: [f64; 14] =
    [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.25, 1.0];

/// How calls that step end.
const OK: &str = "ok";
const REFUSED: &str = "refused";
const FAILED: &str = "failed";

/// Every metric of one node, in a registry of its own: several nodes may share a process.
pub(crate) struct Metrics {
    registry: Registry,
    /// Members that were dead at this or an earlier scrape. Held by a scrape: gauges are cleared and set anew, and
    /// another scrape must not see them in between.
    died: Mutex<BTreeSet<NodeId>>,
    fields: FieldMetrics,
    steps_accepted: IntCounter,
    step_calls: IntCounterVec,
    /// One of them, looked up once.
    steps_ok: IntCounter,
    step_seconds: Histogram,
    errors: IntCounterVec,
    repeated: IntCounter,
    interventions: IntCounterVec,
    guardian_interventions: IntCounterVec,
    steps_dropped: IntCounter,
    http_seconds: HistogramVec,
    ready: IntGauge,
    members: IntGaugeVec,
    dead: IntGaugeVec,
    links: IntGauge,
    origins: IntGauge,
    entries: IntGauge,
    entry_bytes: IntGauge,
    clock_offset: Gauge,
    pub(crate) peers: PeerMetrics,
    refused: IntCounterVec,
    agree: IntGauge,
    pub(crate) gossip_restarts: IntCounter,
    pub(crate) snapshots: SnapshotMetrics,
}

impl Metrics {
    pub(crate) fn new(settings: &Settings) -> Self {
        let registry = Registry::new();
        let make = Maker(&registry);
        let latency = |name: &str, help: &str| HistogramOpts::new(name, help).buckets(LATENCY_SECONDS.to_vec());
        let step_calls = make.counters(
            "psi_node_step_calls_total",
            "Steps and batches asked for, by outcome: ok, refused for what the caller sent, or failed for another reason",
            &["outcome"],
        );
        let metrics = Self {
            fields: FieldMetrics::new(&make, settings.field_series_max),
            steps_accepted: make.counter("psi_node_steps_total", "Steps that this node accepted since it started"),
            steps_ok: step_calls.with_label_values(&[OK]),
            step_calls,
            step_seconds: make.add(Histogram::with_opts(latency(
                "psi_node_step_duration_seconds",
                "Time to check, score and absorb a step or batch, without the wire",
            ))),
            errors: make.counters("psi_node_errors_total", "Calls refused, by reason", &["reason"]),
            repeated: make.counter(
                "psi_node_requests_repeated_total",
                "Requests that were answered as before, by their request_id, and not counted again",
            ),
            interventions: make.counters(
                "psi_node_interventions_total",
                "Interventions by hand that this node accepted, by action",
                &["action"],
            ),
            guardian_interventions: make.counters(
                "psi_node_guardian_interventions_total",
                "Interventions by the guardian after steps that this node took, by action and the threat that it answered",
                &["action", "threat"],
            ),
            steps_dropped: make.counter(
                "psi_node_steps_dropped_total",
                "Steps of this node that resets and drops of their field elsewhere overtook",
            ),
            http_seconds: make.add(HistogramVec::new(
                latency("psi_http_request_duration_seconds", "Time to answer an HTTP request"),
                &["path", "code"],
            )),
            ready: make.gauge("psi_node_ready", "1 if the node has caught up and takes steps"),
            members: make.gauges("psi_cluster_members", "Members that gossip knows, by state", &["state"]),
            dead: make.gauges(
                "psi_cluster_member_dead",
                "1 for a member that ended without a word, 0 for one that was taken for dead and is not any more",
                &["node"],
            ),
            links: make.gauge("psi_replica_links", "Replication links that stand"),
            origins: make.gauge("psi_replica_origins", "Origins (runs of nodes) of which entries are held"),
            entries: make.gauge("psi_replica_entries", "Entries held"),
            entry_bytes: make.gauge("psi_replica_entry_bytes", "Bytes of the values of all entries held"),
            clock_offset: make
                .add(Gauge::new("psi_node_clock_offset_seconds", "Members' median clock less this node's")),
            peers: PeerMetrics::new(&make),
            refused: make.counters("psi_replica_refused_total", "Links and passes refused, by reason", &["reason"]),
            agree: make.gauge(
                "psi_replica_agree",
                "0 if a live member with the same frontier has published another digest, else 1",
            ),
            gossip_restarts: make
                .counter("psi_gossip_restarts_total", "Times that the gossip loop ended and was started again"),
            snapshots: SnapshotMetrics::new(&make),
            died: Mutex::default(),
            registry: registry.clone(),
        };
        let build = make.gauges("psi_build_info", "Always 1; the version is a label", &["version"]);
        build.with_label_values(&[VERSION]).set(1);
        let info = make.gauges("psi_node_info", "Always 1; the node and its cluster are labels", &["node", "cluster"]);
        info.with_label_values(&[settings.node.as_str(), settings.cluster.as_str()]).set(1);
        // A rate needs a series that was there before the first failure.
        for outcome in [OK, REFUSED, FAILED] {
            metrics.step_calls.with_label_values(&[outcome]);
        }
        for threat in Threat::ALL {
            let labels = [threat.action().as_str(), threat.as_str()];
            metrics.guardian_interventions.with_label_values(&labels);
        }
        metrics
    }

    pub(crate) fn stepped(&self, steps: usize) {
        self.steps_accepted.inc_by(steps as u64);
    }

    /// A step or a batch was accepted or answered as before, or not. What a caller can mend by sending something else
    /// is no failure of the node; that it is not ready or did not get so far in time is.
    pub(crate) fn step_called(&self, refusal: Option<&Cause>) {
        let outcome = match refusal.map(|cause| cause.code) {
            None => return self.steps_ok.inc(),
            Some(Code::InvalidArgument | Code::NotFound) => REFUSED,
            Some(_) => FAILED,
        };
        self.step_calls.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn step_took(&self, took: Duration) {
        self.step_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn error(&self, reason: &str) {
        self.errors.with_label_values(&[reason]).inc();
    }

    pub(crate) fn repeated(&self) {
        self.repeated.inc();
    }

    pub(crate) fn intervened(&self, action: Action) {
        self.interventions.with_label_values(&[action.as_str()]).inc();
    }

    pub(crate) fn guardian_intervened(&self, action: Action, threat: Threat) {
        self.guardian_interventions.with_label_values(&[action.as_str(), threat.as_str()]).inc();
    }

    pub(crate) fn steps_dropped(&self, steps: u64) {
        self.steps_dropped.inc_by(steps);
    }

    pub(crate) fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    pub(crate) fn sent(&self, peer: &str, bytes: usize) {
        self.peers.sent(peer, bytes);
    }

    pub(crate) fn received(&self, peer: &str, bytes: usize) {
        self.peers.received(peer, bytes);
    }

    /// Where answers are counted. `path` must be one of the routes, never what a client made up.
    pub(crate) fn http(&self, path: &str, code: u16) -> Histogram {
        self.http_seconds.with_label_values(&[path, &code.to_string()])
    }

    /// Everything in the text format of Prometheus.
    pub(crate) fn render(&self, shared: &Shared) -> String {
        let mut died = self.died.lock().unwrap_or_else(PoisonError::into_inner);
        let (ready, names) = shared.read(|replica| {
            self.read_replica(replica);
            (replica.may_write().is_ok(), replica.field_names().collect::<Vec<_>>())
        });
        self.ready.set(ready.into());
        // A node that has not caught up would show a drift that is not there.
        let shown = self.fields.choose(&names).filter(|_| ready);
        // One field at a time: a scrape of many wide fields must not hold up steps.
        let views: Vec<FieldView> = shown.filter_map(|name| shared.read(|replica| replica.view(name))).collect();
        self.fields.show(&views);
        self.read_members(shared, &shared.members.borrow(), &mut died);
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.map(|()| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    fn read_replica(&self, replica: &Replica) {
        let (entries, bytes) = replica.size();
        self.entries.set(count(entries));
        self.entry_bytes.set(count(bytes));
        self.origins.set(count(replica.frontier().len()));
        #[expect(clippy::cast_precision_loss, reason = "an offset of years still fits 53 bits")]
        self.clock_offset.set(replica.clock_offset_ms() as f64 / 1000.0);
        self.peers.observe(replica);
        self.links.set(count(self.peers.read_lags(replica)));
    }

    fn read_members(&self, shared: &Shared, members: &[Member], died: &mut BTreeSet<NodeId>) {
        let live = members.iter().filter(|member| member.live).count();
        self.members.with_label_values(&["live"]).set(count(live));
        let left = members.iter().filter(|member| member.left).count();
        self.members.with_label_values(&["left"]).set(count(left));
        self.members.with_label_values(&["dead"]).set(count(members.len() - live - left));
        self.dead.reset();
        died.retain(|name| members.iter().any(|member| member.node == *name));
        for member in members {
            let is_dead = !member.live && !member.left;
            if is_dead {
                died.insert(member.node.clone());
            }
            if died.contains(&member.node) {
                self.dead.with_label_values(&[member.node.as_str()]).set(is_dead.into());
            }
        }
        self.agree.set(shared.compared(members).iter().all(|(_, agrees)| *agrees).into());
    }
}

/// A gauge's value; nothing that is counted here comes near the limit.
fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
