//! What Prometheus scrapes. Counters and histograms are kept as things happen; what the merged view says is read
//! from it at the scrape.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder, core::Collector,
};
use psi_engine::{Action, Metrics as StepMetrics};
use psi_replica::{FieldView, Replica, Version};

use crate::{members::Member, settings::Settings, shared::Shared};

/// Version and commit that the binary was built from.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Name, help, and the metric of a step that it shows.
type FieldGauge = (&'static str, &'static str, fn(&StepMetrics) -> f64);

/// The seven gauges of a field, each the mean over the 60 s up to its latest step.
const FIELD_GAUGES: [FieldGauge; 7] = [
    ("psi_field_density", "Density (Psi): overall stability, 0 to 1", |m| m.density),
    ("psi_field_phase_coherence", "Phase coherence (Phi): temporal alignment", |m| m.phase_coherence),
    ("psi_field_continuity", "Continuity (C): how well the present binds to the immediate past", |m| m.continuity),
    ("psi_field_futurity", "Futurity (U): anticipatory grip on the near future", |m| m.futurity),
    ("psi_field_temporal_entropy", "Temporal entropy (H), nats", |m| m.temporal_entropy),
    ("psi_field_prediction_error", "Prediction error (PE)", |m| m.prediction_error),
    ("psi_field_time_dilation", "Effective integration step (dt_eff), seconds", |m| m.time_dilation),
];

const WINDOW: &str = "; mean over the 60 s up to the field's latest step, of all nodes";

/// Upper bounds in seconds: a step takes microseconds, a stalled machine seconds.
const LATENCY_SECONDS: [f64; 14] =
    [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.25, 1.0];

/// Every metric of one node, in a registry of its own: several nodes may share a process.
pub(crate) struct Metrics {
    registry: Registry,
    /// Held by a scrape: gauges are cleared and set anew, and another scrape must not see them in between.
    scrape: Mutex<()>,
    field_series_max: usize,
    field_gauges: Vec<GaugeVec>,
    field: FieldMetrics,
    steps_accepted: IntCounter,
    step_seconds: Histogram,
    errors: IntCounterVec,
    repeated: IntCounter,
    interventions: IntCounterVec,
    steps_dropped: IntCounter,
    http_seconds: HistogramVec,
    ready: IntGauge,
    members: IntGaugeVec,
    links: IntGauge,
    origins: IntGauge,
    entries: IntGauge,
    entry_bytes: IntGauge,
    clock_offset: Gauge,
    lag: IntGaugeVec,
    peer_bytes: IntCounterVec,
    refused: IntCounterVec,
    agree: IntGauge,
    pub(crate) gossip_restarts: IntCounter,
}

/// Per-field series beside the seven gauges.
struct FieldMetrics {
    steps: IntGaugeVec,
    noise: GaugeVec,
    interventions: IntGaugeVec,
    window_steps: IntGaugeVec,
    last_step: GaugeVec,
    fields: IntGauge,
    uncounted: IntGauge,
}

/// Makes metrics in a registry; every name is a constant of this file and occurs once.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn add<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let metric = made.expect("a valid name and labels");
        self.0.register(Box::new(metric.clone())).expect("a name of its own");
        metric
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn numbers(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.add(GaugeVec::new(Opts::new(name, help), labels))
    }
}

const BY_FIELD: [&str; 2] = ["field", "engine"];

impl FieldMetrics {
    fn new(make: &Maker<'_>) -> Self {
        Self {
            steps: make.gauges("psi_field_steps", "Steps that all nodes accepted in the field's epoch", &BY_FIELD),
            noise: make.numbers("psi_field_noise", "Noise level, 0 to 1.5: the fold of all interventions", &BY_FIELD),
            interventions: make.gauges(
                "psi_field_interventions",
                "Interventions of all nodes in the field's epoch",
                &BY_FIELD,
            ),
            window_steps: make.gauges("psi_field_window_steps", "Steps in the 60 s window", &BY_FIELD),
            last_step: make.numbers(
                "psi_field_last_step_timestamp_seconds",
                "When the latest step was accepted, seconds since the Unix epoch",
                &BY_FIELD,
            ),
            fields: make.gauge("psi_fields", "Fields that exist"),
            uncounted: make.gauge(
                "psi_fields_without_series",
                "Fields beyond metrics.field_series_max, without series of their own",
            ),
        }
    }
}

impl Metrics {
    pub(crate) fn new(settings: &Settings) -> Self {
        let registry = Registry::new();
        let make = Maker(&registry);
        let latency = |name: &str, help: &str| HistogramOpts::new(name, help).buckets(LATENCY_SECONDS.to_vec());
        let field_gauges = FIELD_GAUGES
            .iter()
            .map(|(name, help, _)| make.numbers(name, &format!("{help}{WINDOW}"), &BY_FIELD))
            .collect();
        let field = FieldMetrics::new(&make);
        let metrics = Self {
            field_series_max: settings.field_series_max,
            field_gauges,
            field,
            steps_accepted: make.counter("psi_node_steps_total", "Steps that this node accepted since it started"),
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
                "Interventions that this node accepted, by action",
                &["action"],
            ),
            steps_dropped: make.counter(
                "psi_node_steps_dropped_total",
                "Steps of this node that resets and drops of their field discarded",
            ),
            http_seconds: make.add(HistogramVec::new(
                latency("psi_http_request_duration_seconds", "Time to answer an HTTP request"),
                &["path", "code"],
            )),
            ready: make.gauge("psi_node_ready", "1 if the node has caught up and takes steps"),
            members: make.gauges("psi_cluster_members", "Members that gossip knows, by state", &["state"]),
            links: make.gauge("psi_replica_links", "Replication links that stand"),
            origins: make.gauge("psi_replica_origins", "Origins (runs of nodes) of which entries are held"),
            entries: make.gauge("psi_replica_entries", "Entries held"),
            entry_bytes: make.gauge("psi_replica_entry_bytes", "Bytes of the values of all entries held"),
            clock_offset: make
                .add(Gauge::new("psi_node_clock_offset_seconds", "Members' median clock less this node's")),
            lag: make.gauges(
                "psi_replica_lag_versions",
                "Versions that this node wrote and the peer has not acknowledged",
                &["peer"],
            ),
            peer_bytes: make.counters(
                "psi_replica_peer_bytes_total",
                "Bytes of link frames, by peer and direction",
                &["peer", "direction"],
            ),
            refused: make.counters("psi_replica_refused_total", "Links and passes refused, by reason", &["reason"]),
            agree: make.gauge(
                "psi_replica_agree",
                "0 if a live member with the same frontier has published another digest, else 1",
            ),
            gossip_restarts: make
                .counter("psi_gossip_restarts_total", "Times that the gossip loop ended and was started again"),
            scrape: Mutex::new(()),
            registry: registry.clone(),
        };
        let build = make.gauges("psi_build_info", "Always 1; the version is a label", &["version"]);
        build.with_label_values(&[VERSION]).set(1);
        metrics
    }

    pub(crate) fn stepped(&self, steps: usize) {
        self.steps_accepted.inc_by(steps as u64);
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

    pub(crate) fn steps_dropped(&self, steps: u64) {
        self.steps_dropped.inc_by(steps);
    }

    pub(crate) fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    pub(crate) fn sent(&self, peer: &str, bytes: usize) {
        self.peer_bytes.with_label_values(&[peer, "sent"]).inc_by(bytes as u64);
    }

    pub(crate) fn received(&self, peer: &str, bytes: usize) {
        self.peer_bytes.with_label_values(&[peer, "received"]).inc_by(bytes as u64);
    }

    /// `path` must be one of the routes, never what a client made up.
    pub(crate) fn http(&self, path: &str, code: u16, took: Duration) {
        self.http_seconds.with_label_values(&[path, &code.to_string()]).observe(took.as_secs_f64());
    }

    /// Everything in the text format of Prometheus.
    pub(crate) fn render(&self, shared: &Shared) -> String {
        let _alone = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        let (ready, names) = shared.read(|replica| {
            self.read_replica(replica);
            (replica.may_write().is_ok(), replica.field_names().collect::<Vec<_>>())
        });
        self.ready.set(ready.into());
        self.field.fields.set(count(names.len()));
        self.field.uncounted.set(count(names.len().saturating_sub(self.field_series_max)));
        // A node that has not caught up would show a drift that is not there.
        let shown = names.iter().take(if ready { self.field_series_max } else { 0 });
        // One field at a time: a scrape of many wide fields must not hold up steps.
        let views: Vec<FieldView> = shown.filter_map(|name| shared.read(|replica| replica.view(name))).collect();
        self.read_views(&views);
        self.read_members(shared, &shared.members.borrow());
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.map(|()| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    fn read_views(&self, views: &[FieldView]) {
        let FieldMetrics { steps, noise, interventions, window_steps, last_step, .. } = &self.field;
        self.field_gauges.iter().chain([noise, last_step]).for_each(GaugeVec::reset);
        [steps, interventions, window_steps].into_iter().for_each(IntGaugeVec::reset);
        for view in views {
            let labels = [view.spec.field.as_str(), view.spec.spec.shape.engine.as_str()];
            if let Some(mean) = view.window_mean() {
                for (gauge, (_, _, metric)) in self.field_gauges.iter().zip(FIELD_GAUGES) {
                    gauge.with_label_values(&labels).set(metric(&mean));
                }
            }
            if let Some(last) = &view.last {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
                last_step.with_label_values(&labels).set(last.clock.wall_ms as f64 / 1000.0);
            }
            steps.with_label_values(&labels).set(count(view.count));
            interventions.with_label_values(&labels).set(count(view.interventions));
            window_steps.with_label_values(&labels).set(count(view.window.count()));
            noise.with_label_values(&labels).set(view.noise.value());
        }
    }

    fn read_replica(&self, replica: &Replica) {
        let (entries, bytes) = replica.size();
        self.entries.set(count(entries));
        self.entry_bytes.set(count(bytes));
        self.origins.set(count(replica.frontier().len()));
        #[expect(clippy::cast_precision_loss, reason = "an offset of years still fits 53 bits")]
        self.clock_offset.set(replica.clock_offset_ms() as f64 / 1000.0);
        let written = replica.origin().map_or(Version::ZERO, |own| replica.frontier().version(own));
        let mut lags = BTreeMap::new();
        for (_, status) in replica.links() {
            let Some(peer) = status.peer else { continue };
            lags.insert(peer.node, written.0.saturating_sub(status.holds_own.0));
        }
        self.links.set(count(lags.len()));
        self.lag.reset();
        for (peer, lag) in lags {
            self.lag.with_label_values(&[peer.as_str()]).set(count(lag));
        }
    }

    fn read_members(&self, shared: &Shared, members: &[Member]) {
        let live = members.iter().filter(|member| member.live).count();
        self.members.with_label_values(&["live"]).set(count(live));
        let left = members.iter().filter(|member| member.left).count();
        self.members.with_label_values(&["left"]).set(count(left));
        self.members.with_label_values(&["dead"]).set(count(members.len() - live - left));
        let own = shared.read(|replica| (replica.frontier().hash(), replica.digest()));
        let others = members.iter().filter(|member| member.live).filter_map(|member| member.agreement);
        let agrees = others.filter(|(frontier, _)| *frontier == own.0).all(|(_, digest)| digest == own.1);
        self.agree.set(agrees.into());
    }
}

/// A gauge's value; nothing that is counted here comes near the limit.
fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
