//! What the tests share: a cluster of replicas on a virtual network that carries encoded frames and loses,
//! repeats, delays and reorders them as a seed says; and the checks that hold at every moment of every run.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

pub mod book;
pub mod cluster;
pub mod craft;
pub mod history;

use psi_replica::{ClusterName, Config, FieldName, NodeId, Now, Origin, TickMs, Version, WallMs, proto};
use std::sync::Arc;

use psi_rollout::{Latency, Measure, Outcome, Plan, PlanInput, RolloutId, WindowTag};
use psi_state::{FieldView, OutcomeReport, Replica, Shape};

/// Wall clock at tick 0: some day in 2025.
pub const WALL_MS: u64 = 1_750_000_000_000;

pub fn at(tick: u64) -> Now {
    Now { tick: TickMs(tick), wall: WallMs(WALL_MS + tick) }
}

pub fn field(name: &str) -> FieldName {
    FieldName::new(name).unwrap()
}

pub fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

/// Ready at once, and ends no runs: that is tested in psi-replica and by the simulator.
pub fn config(name: &str) -> Config {
    Config { join_ms: 0, end_after_ms: 0, ..Config::new(ClusterName::new("test").unwrap(), node(name)) }
}

pub fn shape(width: usize) -> Shape {
    Shape { width, ..Shape::default() }
}

/// A seed that is ready at once.
pub fn ready(name: &str) -> Replica {
    let mut replica = Replica::new(config(name), at(0));
    replica.tick(at(0));
    assert!(replica.readiness().is_serving());
    replica
}

/// The `n`th input of a field: numbers of mixed sizes and signs, none of them exact in few bits.
pub fn input(n: u64, width: usize) -> Vec<f64> {
    let mut rng = Rng(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5);
    (0..width)
        .map(|_| {
            let size = [1e-9, 0.1, 1.0, 3.0, 1e4][rng.below(5) as usize];
            (rng.unit() - 0.5) * size
        })
        .collect()
}

/// Splitmix64 (Steele et al., 2014): the tests' only randomness.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How step `n` went: of every fourth nobody said. Half of them count in a window; the windows follow each other, and some
/// come late.
pub fn report(n: u64) -> Option<OutcomeReport> {
    let mut rng = Rng(n);
    let latency = rng.chance(80).then(|| Latency::from_ms(1e3 * rng.unit()).unwrap());
    let outcome = Outcome { error: rng.chance(20), latency };
    let tag =
        WindowTag { begin: n / 200, step: ((n + rng.below(9)) / 40 % 5) as u8, rollout: RolloutId::new("r").unwrap() };
    let window = rng.chance(50).then(|| (tag, rng.below(64) as u8));
    let measures: Arc<[Measure]> = if rng.chance(50) { measures() } else { [].into() };
    let outcome = rng.chance(75).then_some(outcome);
    (outcome.is_some() || !measures.is_empty()).then_some(OutcomeReport { outcome, window, measures })
}

/// Of a plan whose gates measure a metric, novelty and columns, one of which no field here has.
pub fn measures() -> Arc<[Measure]> {
    let thresholds = [("prediction_error", 0.05), ("novelty", -1.0), ("column:1", 2.0), ("column:none", 1.0)];
    let metric_thresholds = thresholds.map(|(name, margin)| (name.to_owned(), margin)).into();
    Plan::new(&PlanInput { metric_thresholds, schedule: vec![50.0], ..PlanInput::default() })
        .unwrap()
        .measures()
        .clone()
}

/// Every view of a replica, with the bits of every number that is read out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Views(Vec<(FieldView, Vec<u64>)>);

impl Views {
    pub fn of(replica: &Replica) -> Self {
        Self(replica.field_names().map(|name| with_bits(replica.view(&name).unwrap())).collect())
    }
}

fn with_bits(view: FieldView) -> (FieldView, Vec<u64>) {
    let numbers = [view.mean(), view.variance(), view.standard_deviation()].into_iter().flatten().flatten();
    let metrics = [view.window_mean(), view.last.as_ref().map(|last| last.metrics)].into_iter().flatten();
    let bits = numbers
        .chain(metrics.flat_map(psi_engine::Metrics::to_array))
        .chain([view.interventions.noise.value()])
        .map(f64::to_bits)
        .collect();
    (view, bits)
}

/// Everything that a replica shows of what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub frontier: Vec<(Origin, Version)>,
    pub digest: [u8; 32],
    pub views: Views,
    pub entries: Vec<(Origin, psi_replica::Entry)>,
}

impl State {
    pub fn of(replica: &Replica) -> Self {
        let frontier: Vec<_> = replica.frontier().iter().map(|(origin, version)| (origin.clone(), version)).collect();
        let entries =
            frontier.iter().flat_map(|(origin, _)| replica.entries(origin).map(|entry| (origin.clone(), entry)));
        Self { digest: replica.digest().to_bytes(), views: Views::of(replica), entries: entries.collect(), frontier }
    }
}

pub fn frame(body: proto::frame::Body) -> proto::Frame {
    proto::Frame { body: Some(body) }
}

/// So many cases of a property, or as many as `PROPTEST_CASES` says; a failing seed is kept beside the test, in `*.regressions`, and run first from then on.
pub fn cases(n: u32) -> proptest::prelude::ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    proptest::prelude::ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(n),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Default::default()
    }
}
