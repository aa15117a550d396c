//! Drift: the same counts, severity and probability whichever node took a step, and no verdict that is not founded.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use std::sync::Arc;

use crate::common::{
    Rng, at, cases,
    cluster::{Cluster, Faults},
    field, ready, shape,
};
use proptest::prelude::*;
use psi_engine::Parameters;
use psi_replica::{FieldName, Now};
use psi_state::{BaselineRequest, BaselineTitle, CurrentBaselineView, DriftStatus, DriftView, Label, Replica, Setup};
use psi_stats::drift::Column;

const WIDTH: usize = 4;

fn name() -> FieldName {
    field("watched")
}

fn setup(parameters: &[(&'static str, f64)]) -> Setup {
    (shape(WIDTH), Parameters::default().with(parameters.iter().copied()).unwrap()).into()
}

/// What happens to an input.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    None,
    Shift,
    Frozen,
    Swapped,
    Unit,
    Decorrelated,
    Wider,
}

/// Four columns of different sizes; the last goes with the first.
fn vector(rng: &mut Rng, change: Change) -> Vec<f64> {
    let mut normal = || (0..6).map(|_| rng.unit() - 0.5).sum::<f64>() * 1.4;
    let (a, b, c, d, other) = (normal(), normal(), normal(), normal(), normal());
    let mut numbers = vec![79.3 + 0.2 * a, 3.0 * b, 1e4 + 50.0 * c, a + 0.3 * d];
    match change {
        Change::None => {}
        Change::Shift => numbers[0] += 0.3,
        Change::Frozen => numbers[1] = 0.25,
        Change::Swapped => numbers.swap(1, 3),
        Change::Unit => numbers[1] = numbers[1] * 1.8 + 32.0,
        Change::Decorrelated => numbers[3] = other + 0.3 * d,
        Change::Wider => numbers[2] = 1e4 + 100.0 * c,
    }
    numbers
}

fn step(replica: &mut Replica, now: Now, inputs: &[Vec<f64>]) -> Arc<DriftView> {
    let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let steps = replica.step_batch(now, &name(), &inputs).unwrap();
    steps.last().unwrap().drift.clone()
}

fn title(text: &str) -> BaselineTitle {
    BaselineTitle { version: Label::new(text).unwrap(), ..BaselineTitle::default() }
}

fn request(text: &str) -> BaselineRequest {
    BaselineRequest { title: title(text), seconds: None }
}

/// One node, and its time.
struct Alone {
    replica: Replica,
    now: u64,
    rng: Rng,
}

impl Alone {
    fn new(parameters: &[(&'static str, f64)]) -> Self {
        let mut replica = ready("alone");
        replica.create_field(at(0), &name(), setup(parameters)).unwrap();
        Self { replica, now: 0, rng: Rng(7) }
    }

    /// So many seconds of 50 steps each; what the last is answered.
    fn seconds(&mut self, seconds: u64, change: Change) -> Arc<DriftView> {
        let mut answered = Arc::default();
        for _ in 0..seconds * 10 {
            self.now += 100;
            let inputs: Vec<_> = (0..5).map(|_| vector(&mut self.rng, change)).collect();
            answered = step(&mut self.replica, at(self.now), &inputs);
            self.replica.tick(at(self.now));
        }
        answered
    }

    fn idle(&mut self, ms: u64) {
        self.now += ms;
        self.replica.tick(at(self.now));
    }

    fn view(&self) -> psi_state::FieldView {
        self.replica.view(&name()).unwrap()
    }
}

#[test]
fn a_field_learns_by_itself_then_says_what_changed_since_when_and_where() {
    let columns = |change| match change {
        Change::Shift => vec![0],
        Change::Frozen | Change::Unit => vec![1],
        Change::Swapped => vec![1, 3],
        Change::Wider => vec![2],
        Change::Decorrelated => vec![0, 3],
        Change::None => vec![],
    };
    for change in [Change::Shift, Change::Frozen, Change::Swapped, Change::Unit, Change::Decorrelated, Change::Wider] {
        let mut alone = Alone::new(&[("baseline_after", 1000.0)]);
        assert_eq!(alone.seconds(20, Change::None).status, DriftStatus::Learning);
        assert_eq!(alone.view().baseline, CurrentBaselineView::None);
        for _ in 0..60 {
            let quiet = alone.seconds(1, Change::None);
            assert!(!quiet.is_drift(), "{change:?}: {quiet:?}");
        }
        let baseline = alone.view().baseline.set().cloned().unwrap();
        assert_eq!(baseline.title.set_by.as_str(), "automatic");
        assert!(baseline.inputs >= 1000 && baseline.windows == [3, 1], "{baseline:?}");
        let before = alone.now;
        let found = (0..12).map(|_| alone.seconds(1, change)).find(|view| view.is_drift());
        let found = found.unwrap_or_else(|| panic!("{change:?} is not found"));
        assert!(found.verdict.named().iter().any(|column| columns(change).contains(column)), "{change:?}: {found:?}");
        let later = alone.seconds(3, change);
        let mut named = later.verdict.named();
        named.sort_unstable();
        assert_eq!(named, columns(change), "{change:?}: {later:?}");
        let since = later.since_second.unwrap() * 1000 - crate::common::WALL_MS;
        assert!(since >= before - 1000 && since < alone.now - 3000, "{change:?}: since {since}, changed at {before}");
        assert_eq!(later.status, alone.view().drift.status);
    }
}

#[test]
fn what_is_lost_in_correlation_alone_shows_in_a_pair() {
    let mut alone = Alone::new(&[("baseline_after", 1000.0)]);
    alone.seconds(40, Change::None);
    let view = alone.seconds(8, Change::Decorrelated);
    let worst = view.verdict.worst().unwrap();
    assert_eq!(worst.column, Column::Pair(0, 3), "{view:?}");
}

#[test]
fn since_when_reaches_farther_back_than_what_is_kept() {
    let mut alone = Alone::new(&[("baseline_after", 1000.0)]);
    alone.seconds(40, Change::None);
    let first = alone.seconds(10, Change::Shift).since_second.unwrap();
    let later = alone.seconds(60, Change::Shift);
    assert_eq!(later.since_second, Some(first));
    alone.replica.flush();
    assert_eq!(alone.replica.view_from_entries(&name()).unwrap().drift.since_second, Some(first));
    // A new baseline: what was written of the old one is of another drift.
    let mut other = Alone::new(&[("baseline_after", 1000.0)]);
    other.seconds(40, Change::None);
    let before = other.seconds(40, Change::Shift).since_second.unwrap();
    other.replica.set_baseline(at(other.now), &name(), request("v2")).unwrap();
    assert!(other.seconds(10, Change::None).since_second.unwrap() > before + 20);
    // It ends, and begins again.
    assert_eq!(alone.seconds(10, Change::None).since_second, None);
    assert!(alone.seconds(10, Change::Shift).since_second.unwrap() > first + 60);
}

#[test]
fn without_enough_there_is_no_verdict() {
    let mut alone = Alone::new(&[("baseline_after", 1000.0)]);
    alone.seconds(40, Change::None);
    // Four steps a second: no window has a hundred.
    let mut last = Arc::default();
    for _ in 0..40 {
        alone.idle(250);
        let input = vector(&mut alone.rng, Change::Shift);
        last = step(&mut alone.replica, at(alone.now), &[input]);
    }
    assert_eq!(last.status, DriftStatus::InsufficientData);
    // After hours of silence.
    alone.idle(5 * 3_600_000);
    assert_eq!(alone.seconds(1, Change::None).status, DriftStatus::InsufficientData);
    assert_eq!(alone.seconds(8, Change::None).status, DriftStatus::Stable);
    // A burst far above the usual rate.
    let burst: Vec<_> = (0..4000).map(|_| vector(&mut alone.rng, Change::None)).collect();
    for _ in 0..25 {
        step(&mut alone.replica, at(alone.now), &burst);
        alone.now += 40;
    }
    for _ in 0..6 {
        let after = alone.seconds(1, Change::None);
        assert_eq!(after.status, DriftStatus::Stable, "{after:?}");
    }
}

#[test]
fn a_field_that_is_not_watched_costs_and_says_nothing() {
    let mut alone = Alone::new(&[("drift", 0.0)]);
    let off = alone.seconds(40, Change::None);
    assert_eq!((off.status, off.kept), (DriftStatus::Off, [0; 4]));
    let lanes = [psi_state::lanes::ANCHOR, psi_state::lanes::SLOTS, psi_state::lanes::BASELINE];
    let own = alone.replica.origin().unwrap().clone();
    assert!(alone.replica.entries(&own).all(|entry| !lanes.contains(&entry.key.lane)));
    let refused = alone.replica.set_baseline(at(alone.now), &name(), request("v1")).unwrap_err();
    assert!(refused.to_string().contains("change its parameter `drift` to 1"), "{refused}");
}

#[test]
fn callers_set_baselines_and_take_them_away() {
    let mut alone = Alone::new(&[("baseline_after", 1000.0)]);
    let refused = alone.replica.set_baseline(at(0), &name(), request("v1")).unwrap_err();
    assert!(refused.to_string().contains("100 in 8 spans"), "{refused}");
    alone.seconds(40, Change::None);
    assert!(alone.seconds(10, Change::Shift).is_drift());
    alone.seconds(22, Change::Shift);
    let set = alone.replica.set_baseline(at(alone.now), &name(), request("v2")).unwrap();
    assert_eq!((set.title.version.as_str(), set.span_seconds), ("v2", 1));
    assert!(set.replaced_severity >= 0.8, "{set:?}");
    let after = alone.seconds(2, Change::Shift);
    assert_eq!(after.status, DriftStatus::Stable, "{after:?}");
    alone.replica.clear_baseline(at(alone.now), &name(), title("")).unwrap();
    assert_eq!(alone.view().baseline, CurrentBaselineView::Cleared);
    assert_eq!(alone.seconds(40, Change::None).status, DriftStatus::NoBaseline, "none comes by itself");
    alone.replica.set_baseline(at(alone.now), &name(), request("v3")).unwrap();
    assert_eq!(alone.seconds(3, Change::None).status, DriftStatus::Stable);
}

#[test]
fn a_reset_begins_anew() {
    let mut alone = Alone::new(&[("baseline_after", 1000.0)]);
    alone.seconds(40, Change::None);
    let before = alone.view().anchored;
    alone.replica.reset_field(at(alone.now), &name(), setup(&[("baseline_after", 1000.0)])).unwrap();
    let view = alone.view();
    assert_eq!((view.anchored, view.baseline, view.drift.kept), (None, CurrentBaselineView::None, [0; 4]));
    // What would have been drift is what is usual now.
    assert_eq!(alone.seconds(34, Change::Shift).status, DriftStatus::Stable);
    assert_ne!(alone.view().anchored, before);
}

#[test]
fn a_batch_that_is_worked_out_beside_counts_as_its_steps_do() {
    let mut sides = [Alone::new(&[("baseline_after", 1000.0)]), Alone::new(&[("baseline_after", 1000.0)])];
    for second in 0..40 {
        for (side, alone) in sides.iter_mut().enumerate() {
            alone.now = 1000 * second;
            let inputs: Vec<_> = (0..50).map(|_| vector(&mut alone.rng, Change::None)).collect();
            if side == 0 {
                step(&mut alone.replica, at(alone.now), &inputs);
            } else {
                let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
                let mut batch = alone.replica.begin_batch(at(alone.now), &name(), &inputs).unwrap();
                batch.run();
                // Meanwhile time goes on.
                alone.replica.tick(at(alone.now + 500));
                alone.replica.finish_batch(at(alone.now + 500), batch).unwrap();
            }
            alone.replica.tick(at(alone.now + 900));
        }
    }
    let [steps, batches] = sides.map(|mut alone| {
        alone.replica.flush();
        let view = alone.view();
        assert_eq!(Some(&view.drift), alone.replica.view_from_entries(&name()).map(|view| view.drift).as_ref());
        view
    });
    assert_eq!(steps.drift, batches.drift);
    assert_eq!(steps.drift.status, DriftStatus::Stable);
}

/// What is counted is written though a batch is in its way, or comes to nothing.
#[test]
fn no_batch_keeps_counts_from_being_written() {
    for is_finished in [false, true] {
        let mut alone = Alone::new(&[]);
        alone.seconds(8, Change::None);
        let inputs = [vector(&mut alone.rng, Change::None)];
        let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let batch = alone.replica.begin_batch(at(alone.now), &name(), &inputs).unwrap();
        // It was not run, so nothing is taken in. Meanwhile what was counted before becomes due.
        alone.idle(5_000);
        if is_finished {
            assert!(alone.replica.finish_batch(at(alone.now), batch).unwrap().is_empty());
            alone.idle(100);
        } else {
            alone.replica.close(at(alone.now));
        }
        alone.replica.flush();
        let own = alone.replica.origin().unwrap().clone();
        let is_slot = |entry: &psi_replica::Entry| entry.key.lane == psi_state::lanes::SLOTS;
        let slots = alone.replica.entries(&own).filter(is_slot).count();
        // The anchor comes with the sixth second; then seconds, and the minute, and at the end hour and day too.
        let want = if is_finished { 3 + 1 } else { 3 + 3 };
        assert!(slots >= want, "{slots} spans are written, {want} should be; finished: {is_finished}");
    }
}

/// Seconds of steps: who takes each of ten batches.
fn deals(seconds: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..8_usize, 10 * seconds..=10 * seconds)
}

/// Both, at the same moments: one node that takes all, and nodes that share it.
struct Both {
    alone: Replica,
    cluster: Cluster,
    rng: Rng,
}

impl Both {
    fn new(seed: u64, nodes: usize) -> Self {
        let mut alone = ready("alone");
        let mut cluster = Cluster::ready(seed, nodes, Faults { delay_ms: 60, twice: 10, loss: 5, ordered: false });
        let created = setup(&[("baseline_after", 0.0)]);
        alone.create_field(at(cluster.now), &name(), created.clone()).unwrap();
        cluster.with(0, |replica, now| replica.create_field(now, &name(), created).unwrap());
        cluster.run(2_000);
        let mut both = Self { alone, cluster, rng: Rng(seed) };
        // Where buckets lie is said by one.
        for _ in 0..60 {
            both.deal(0, Change::None);
        }
        both.cluster.run(2_000);
        both
    }

    fn deal(&mut self, who: usize, change: Change) {
        self.cluster.run(100);
        let inputs: Vec<_> = (0..5).map(|_| vector(&mut self.rng, change)).collect();
        step(&mut self.alone, at(self.cluster.now), &inputs);
        self.alone.tick(at(self.cluster.now));
        let who = who % self.cluster.nodes.len();
        self.cluster.with(who, |replica, now| drop(step(replica, now, &inputs)));
    }

    fn settle(&mut self, ms: u64) {
        self.cluster.quiet(ms);
        self.alone.tick(at(self.cluster.now));
        self.alone.flush();
        self.cluster.assert_agreed();
    }
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn many_nodes_judge_as_one(
        seed in any::<u64>(),
        nodes in 1..9_usize,
        before in deals(32),
        after in deals(6),
        change in prop::sample::select(&[Change::None, Change::Shift, Change::Decorrelated, Change::Frozen][..]),
    ) {
        let mut both = Both::new(seed, nodes);
        before.iter().for_each(|who| both.deal(*who, Change::None));
        both.settle(10_000);
        let now = both.cluster.now;
        both.alone.set_baseline(at(now), &name(), request("v1")).unwrap();
        let setter = seed as usize % nodes;
        both.cluster.with(setter, |replica, now| drop(replica.set_baseline(now, &name(), request("v1")).unwrap()));
        both.cluster.run(1_000);
        after.iter().for_each(|who| both.deal(*who, change));
        both.settle(10_000);
        let alone = both.alone.view(&name()).unwrap();
        prop_assert!(alone.drift.inputs >= 100, "{:?}", alone.drift);
        prop_assert_eq!(alone.drift.is_drift(), change != Change::None);
        let ended = seed;
        for node in &both.cluster.nodes {
            let view = node.replica.view(&name()).unwrap();
            prop_assert_eq!(&view.drift, &alone.drift);
            let (baseline, want) = (view.baseline.set().unwrap(), alone.baseline.set().unwrap());
            prop_assert_eq!((baseline.inputs, baseline.first_second), (want.inputs, want.first_second));
            let refolded = node.replica.view_from_entries(&name()).unwrap();
            prop_assert_eq!(&refolded.drift, &alone.drift);
            let has_ended = |origin: &psi_replica::Origin| (ended >> origin.node.as_str().len()) & 1 == 0
                || origin.node.as_str().bytes().map(u64::from).sum::<u64>() & 1 == ended & 1;
            let (shown, _) = node.replica.shown_with_ended(&name(), has_ended);
            prop_assert_eq!(&shown.unwrap().drift, &alone.drift);
        }
    }
}

#[test]
fn of_two_baselines_that_are_set_apart_the_later_holds_everywhere() {
    let mut both = Both::new(3, 3);
    for who in 0..120 {
        both.deal(who, Change::None);
    }
    both.settle(5_000);
    both.cluster.set_cut(0, 1, true);
    both.cluster.set_cut(0, 2, true);
    both.cluster.with(0, |replica, now| drop(replica.set_baseline(now, &name(), request("first")).unwrap()));
    both.cluster.run(40);
    both.cluster.with(1, |replica, now| drop(replica.set_baseline(now, &name(), request("second")).unwrap()));
    both.cluster.run(500);
    both.cluster.set_cut(0, 1, false);
    both.cluster.set_cut(0, 2, false);
    both.cluster.connect_all();
    both.settle(10_000);
    for node in &both.cluster.nodes {
        let view = node.replica.view(&name()).unwrap();
        assert_eq!(view.baseline.set().unwrap().title.version.as_str(), "second");
    }
}
