//! How steps went: any deal of the same steps over any nodes counts the same, bit for bit, and outlives what happens to
//! the nodes.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

mod common;

use std::sync::Arc;

use common::{
    at, cases,
    cluster::{Cluster, Faults},
    config, field, input, ready, shape,
};
use proptest::prelude::*;
use psi_engine::Parameters;
use psi_replica::{FieldName, Now};
use psi_rollout::{Latency, Measure, MeasuredTally, ModelName, Outcome, Plan, PlanInput, RolloutId, Tally, WindowTag};
use psi_state::{OutcomeReport, OutcomesView, Replica, Setup, WriteError, lanes};

/// A step with an outcome.
#[derive(Clone, Copy, Debug)]
struct Deed {
    gap: u64,
    who: usize,
    error: bool,
    latency_us: Option<u32>,
    /// Number and step of the window, and the bucket.
    window: Option<(u64, u8, u8)>,
    is_measured: bool,
}

fn deed() -> impl Strategy<Value = Deed> {
    let gap = prop_oneof![4 => 1..40_u64, 1 => 500..3_000_u64];
    let latency = prop::option::weighted(0.9, prop_oneof![0..2_000_000_u32, Just(3_600_000_000)]);
    let window = prop::option::weighted(0.8, (0..2_u64, 0..3_u8, 0..64_u8));
    let parts = (gap, 0..8_usize, any::<bool>(), latency, window, any::<bool>());
    parts.prop_map(|(gap, who, error, latency_us, window, is_measured)| Deed {
        gap,
        who,
        error,
        latency_us,
        window,
        is_measured,
    })
}

fn tag(begin: u64, step: u8) -> WindowTag {
    WindowTag { begin, step, rollout: RolloutId::new("r-1").unwrap() }
}

fn report(deed: Deed) -> OutcomeReport {
    let latency = deed.latency_us.map(|us| Latency::from_ms(f64::from(us) / 1_000.0).unwrap());
    let window = deed.window.map(|(begin, step, bucket)| (tag(begin, step), bucket));
    OutcomeReport {
        outcome: Some(Outcome { error: deed.error, latency }),
        window,
        measures: measures(deed.is_measured),
    }
}

/// What a gate measures of columns: what a node knows of the steps before makes no difference to them.
fn measures(is_measured: bool) -> Arc<[Measure]> {
    let thresholds = [("column:none", 1.0), ("column:3", -0.25)];
    let metric_thresholds = thresholds.map(|(name, margin)| (name.to_owned(), margin)).into();
    let plan = Plan::new(&PlanInput { metric_thresholds, schedule: vec![50.0], ..PlanInput::default() }).unwrap();
    if is_measured { plan.measures().clone() } else { [].into() }
}

fn act(replica: &mut Replica, now: Now, n: usize, deed: Deed) {
    let step = replica.step_with_outcome(now, &field("default"), &input(n as u64, 16), Some(&report(deed)));
    step.unwrap();
}

fn outcomes(replica: &Replica) -> OutcomesView {
    replica.view(&field("default")).unwrap().outcomes
}

/// The plain sums of the fourth column in the latest window, in 1/1,024 of the margin of −0.25.
fn summed(deeds: &[Deed]) -> Vec<MeasuredTally> {
    let latest = deeds.iter().filter_map(|deed| deed.window.map(|(begin, step, _)| (begin, step))).max();
    let mut buckets = vec![MeasuredTally::default(); 64];
    for (n, deed) in deeds.iter().enumerate().filter(|(_, deed)| deed.is_measured) {
        let Some((_, _, bucket)) = deed.window.filter(|window| Some((window.0, window.1)) == latest) else { continue };
        let units = (input(n as u64, 16)[3] * -4_096.0).round() as i128;
        let MeasuredTally { steps, sum, squares } = &mut buckets[usize::from(bucket)];
        (*steps, *sum, *squares) = (*steps + 1, *sum + units, *squares + (units * units).unsigned_abs());
    }
    buckets
}

/// The plain sum of the latest window: an independent count.
fn counted(deeds: &[Deed]) -> (Tally, Option<(WindowTag, Vec<Tally>)>) {
    let count = |tally: &mut Tally, deed: &Deed| {
        let us = u128::from(deed.latency_us.unwrap_or(0));
        tally.steps += 1;
        tally.errors += u64::from(deed.error);
        tally.timed_steps += u64::from(deed.latency_us.is_some());
        tally.latency_us += us;
        tally.latency_us_squares += us * us;
    };
    let mut total = Tally::default();
    deeds.iter().for_each(|deed| count(&mut total, deed));
    let latest = deeds.iter().filter_map(|deed| deed.window.map(|(begin, step, _)| (begin, step))).max();
    let latest = latest.map(|(begin, step)| {
        let mut buckets = vec![Tally::default(); 64];
        for deed in deeds {
            if let Some((_, _, bucket)) = deed.window.filter(|window| (window.0, window.1) == (begin, step)) {
                count(&mut buckets[usize::from(bucket)], deed);
            }
        }
        (tag(begin, step), buckets)
    });
    (total, latest)
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn any_deal_of_the_same_steps_counts_the_same(
        seed: u64, nodes in 1..9_usize, deeds in prop::collection::vec(deed(), 1..80),
    ) {
        let mut alone = ready("alone");
        let mut cluster = Cluster::ready(seed, nodes, Faults { delay_ms: 60, twice: 10, loss: 5, ordered: false });
        for (n, deed) in deeds.iter().enumerate() {
            cluster.run(deed.gap);
            act(&mut alone, at(cluster.now), n, *deed);
            cluster.with(deed.who % nodes, |replica, now| act(replica, now, n, *deed));
        }
        cluster.quiet(60_000);
        cluster.assert_agreed();
        let (total, latest) = counted(&deeds);
        let summed = summed(&deeds);
        let name = field("default");
        for replica in cluster.nodes.iter().map(|node| &node.replica).chain([&alone]) {
            let view = outcomes(replica);
            prop_assert_eq!(view.total, total);
            let shown = view.latest().map(|(tag, outcomes)| (tag.clone(), outcomes.buckets().to_vec()));
            prop_assert_eq!(&shown, &latest);
            let measured = view.latest().map(|(_, outcomes)| outcomes.measured()).unwrap_or_default();
            if summed.iter().any(|tally| tally.steps > 0) {
                // `column:3` comes before `column:none`, which no field has.
                prop_assert_eq!(measured, std::slice::from_ref(&summed));
            } else {
                prop_assert!(measured.is_empty(), "{:?}", measured);
            }
            for begin in 0..2 {
                for step in 0..3 {
                    let is_latest = latest.as_ref().is_some_and(|(latest, _)| *latest == tag(begin, step));
                    prop_assert_eq!(view.window(&tag(begin, step)).is_some(), is_latest);
                }
            }
        }
        for node in &cluster.nodes {
            let refolded = node.replica.view_from_entries(&name).unwrap().outcomes;
            prop_assert_eq!(&refolded, &outcomes(&alone));
            for ended in 0..nodes {
                let ended = cluster.origin(ended);
                let (view, _) = node.replica.shown_with_ended(&name, |origin| *origin == ended);
                prop_assert_eq!(&view.unwrap().outcomes, &outcomes(&alone));
            }
            let bytes = node.replica.snapshot();
            let again = Replica::restore(config("again"), at(0), &bytes).unwrap();
            prop_assert_eq!(outcomes(&again), outcomes(&alone));
        }
    }
}

fn of_outcomes(replica: &Replica) -> usize {
    let origin = replica.origin().unwrap().clone();
    let lanes = [lanes::OUTCOMES, lanes::OUTCOME_WINDOWS, lanes::MEASURE_WINDOWS];
    replica.entries(&origin).filter(|entry| lanes.contains(&entry.key.lane)).count()
}

/// What nobody says costs no entry.
#[test]
fn steps_without_outcomes_write_none() {
    let mut replica = ready("n");
    let name = field("default");
    replica.step(at(1), &name, &input(1, 16)).unwrap();
    replica.flush();
    assert_eq!(of_outcomes(&replica), 0);
    assert_eq!(outcomes(&replica), OutcomesView::default());
    let quick = Deed { gap: 0, who: 0, error: false, latency_us: Some(7), window: Some((1, 0, 9)), is_measured: true };
    act(&mut replica, at(2), 2, quick);
    replica.flush();
    assert_eq!(of_outcomes(&replica), 3, "the total, and one of eight entries of the window and of the measure");
}

/// A step of a window that is over counts in the total alone.
#[test]
fn a_later_window_replaces_the_one_before() {
    let mut replica = ready("n");
    for (n, window) in [(0, 4), (0, 5), (1, 6), (0, 7), (1, 7)].into_iter().enumerate() {
        let deed = Deed {
            gap: 0,
            who: 0,
            error: true,
            latency_us: None,
            window: Some((3, window.0, window.1)),
            is_measured: false,
        };
        act(&mut replica, at(n as u64), n, deed);
    }
    let view = outcomes(&replica);
    assert_eq!((view.total.steps, view.total.errors, view.total.timed_steps), (5, 5, 0));
    assert_eq!(view.window(&tag(3, 0)), None);
    let buckets = view.window(&tag(3, 1)).unwrap().buckets();
    let steps: Vec<(usize, u64)> =
        (0..).zip(buckets).map(|(n, tally)| (n, tally.steps)).filter(|two| two.1 > 0).collect();
    assert_eq!(steps, [(6, 1), (7, 1)]);
    replica.flush();
    assert_eq!(replica.view_from_entries(&field("default")).unwrap().outcomes, view);
}

/// A window of the same number and step of another rollout is another: keys fall in other buckets there.
#[test]
fn buckets_of_two_rollouts_are_never_added() {
    let mut cluster = Cluster::ready(1, 2, Faults::default());
    for (node, id) in [(0, "a"), (1, "b")] {
        let rollout = RolloutId::new(id).unwrap();
        let outcome = Outcome { error: false, latency: None };
        let report = OutcomeReport {
            outcome: Some(outcome),
            window: Some((WindowTag { begin: 1, step: 0, rollout }, 3)),
            measures: [].into(),
        };
        let step = |replica: &mut Replica, now| {
            replica.step_with_outcome(now, &field("default"), &input(1, 16), Some(&report)).map(drop)
        };
        cluster.with(node, step).unwrap();
    }
    cluster.run(1_000);
    for node in &cluster.nodes {
        let view = outcomes(&node.replica);
        let (latest, counted) = view.latest().unwrap();
        assert_eq!((latest.rollout.as_str(), counted.total().steps, view.total.steps), ("b", 1, 2));
    }
}

#[test]
fn a_new_epoch_starts_at_nothing() {
    let mut cluster = Cluster::ready(1, 2, Faults::default());
    let deed = Deed { gap: 0, who: 0, error: true, latency_us: Some(9), window: Some((1, 1, 1)), is_measured: true };
    for n in 0..2 {
        cluster.with(n, |replica, now| act(replica, now, n, deed));
    }
    cluster.run(1_000);
    assert!(cluster.nodes.iter().all(|node| outcomes(&node.replica).total.steps == 2));
    cluster.with(0, |replica, now| replica.reset_field(now, &field("default"), Setup::default()).map(drop)).unwrap();
    cluster.run(1_000);
    assert!(cluster.nodes.iter().all(|node| outcomes(&node.replica) == OutcomesView::default()));
    assert!(cluster.nodes.iter().all(|node| of_outcomes(&node.replica) == 0));
}

fn refused(replica: &mut Replica, name: &FieldName) -> WriteError {
    let before = common::State::of(replica);
    let outcome = Outcome { error: false, latency: None };
    let report = Some(OutcomeReport { outcome: Some(outcome), window: None, measures: [].into() });
    let one = replica.step_with_outcome(at(90), name, &input(1, 3), report.as_ref()).unwrap_err();
    let input = input(1, 3);
    let batch = replica.step_batch_with_outcomes(at(90), name, &[&input], std::slice::from_ref(&report)).unwrap_err();
    let beside = replica.begin_batch_with_outcomes(at(90), name, &[&input], &[report]).unwrap_err();
    assert_eq!((&batch, &beside), (&one, &one));
    replica.flush();
    assert_eq!(common::State::of(replica), before, "{one}");
    one
}

#[test]
fn a_fifth_live_version_is_refused_until_one_is_reset() {
    let mut replica = ready("n");
    let versions = ["v1", "v2", "v3", "v4", "v5"].map(|version| field(&format!("churn@{version}")));
    // Another model, and fields whose names only look alike, are no versions of it.
    let others = ["churn", "churn-2@v1", "churn.x@v1", "churner@v1"].map(field);
    for name in versions.iter().chain(&others) {
        replica.create_field(at(1), name, (shape(3), Parameters::default())).unwrap();
    }
    for name in others.iter().chain(&versions[..4]).chain(&versions[..4]) {
        replica.step(at(2), name, &input(1, 3)).unwrap();
    }
    replica.flush();
    let error = refused(&mut replica, &versions[4]);
    assert_eq!(
        error.to_string(),
        "version v5 would be live beside v1, v2, v3, v4: a model has at most 4 live versions; archive one first: drop or \
         reset its field"
    );
    replica.reset_field(at(91), &versions[1], (shape(3), Parameters::default())).unwrap();
    replica.step(at(92), &versions[4], &input(1, 3)).unwrap();
    let error = replica.step(at(93), &versions[1], &input(1, 3)).unwrap_err();
    assert!(error.to_string().starts_with("version v2 would be live beside v1, v3, v4, v5"), "{error}");
    replica.drop_field(at(94), &versions[0]).unwrap();
    replica.step(at(95), &versions[1], &input(1, 3)).unwrap();
    let model = ModelName::new("churn").unwrap();
    let shown: Vec<String> = replica.versions(&model).iter().map(|(version, _)| version.to_string()).collect();
    assert_eq!(shown, ["v2", "v3", "v4", "v5"]);
}

/// Gates go by the names that the engine has.
#[test]
fn gates_know_the_metrics_of_the_engine() {
    assert_eq!(psi_rollout::measure::METRICS, psi_engine::Metrics::NAMES);
}
