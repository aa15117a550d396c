//! Fields are made, reset and dropped by anybody at any time, and the cluster settles on one of what was asked.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    at, cases,
    cluster::{Cluster, Faults},
    config, field, input, shape,
};
use proptest::prelude::*;
use prost::Message;
use psi_engine::{Action, Parameters};
use psi_replica::{Epoch, FieldName, Lane, Origin};
use psi_state::{Event, Replica, Shape, StateEvent, lanes, proto as values};

fn pair() -> Cluster {
    let mut cluster = Cluster::ready(7, 2, Faults { delay_ms: 4, ..Faults::default() });
    cluster.run(100);
    cluster
}

fn create(cluster: &mut Cluster, n: usize, name: &FieldName, width: usize) {
    cluster.with(n, |replica, now| replica.create_field(now, name, (shape(width), Parameters::default())).unwrap());
}

fn reset(cluster: &mut Cluster, n: usize, name: &FieldName, width: usize) {
    cluster.with(n, |replica, now| replica.reset_field(now, name, (shape(width), Parameters::default())).unwrap());
}

fn steps(cluster: &mut Cluster, n: usize, name: &FieldName, times: u64) {
    for i in 0..times {
        cluster.with(n, |replica, now| {
            let width = replica.view(name).unwrap().spec.spec.setup.shape.width;
            replica.step(now, name, &input(i, width)).unwrap();
        });
    }
}

/// Lanes and epochs of what an origin still holds of a field, on one replica.
fn held(replica: &Replica, origin: &Origin, name: &FieldName) -> Vec<(Lane, Epoch)> {
    replica
        .entries(origin)
        .filter(|entry| entry.key.scope.field() == Some(name))
        .map(|entry| (entry.key.lane, entry.key.scope.epoch().unwrap()))
        .collect()
}

/// The steps that a node says were dropped, and whether it was asked to.
fn dropped(cluster: &Cluster, n: usize) -> Vec<(u64, bool)> {
    let told = cluster.nodes[n].events.iter().filter_map(|event| match event {
        Event::State(StateEvent::StepsDropped { steps, asked, .. }) => Some((*steps, *asked)),
        _ => None,
    });
    told.collect()
}

fn epoch(replica: &Replica, name: &FieldName) -> Epoch {
    replica.view(name).unwrap().spec.epoch
}

#[test]
fn concurrent_creates_of_different_shapes_settle_to_one() {
    let (mut cluster, a) = (pair(), field("a"));
    cluster.set_cut(0, 1, true);
    create(&mut cluster, 0, &a, 2);
    steps(&mut cluster, 0, &a, 3);
    cluster.run(50);
    create(&mut cluster, 1, &a, 5);
    steps(&mut cluster, 1, &a, 4);
    cluster.quiet(1_000);
    cluster.assert_agreed();
    for node in &cluster.nodes {
        let view = node.replica.view(&a).unwrap();
        assert_eq!(
            (view.spec.spec.setup.shape.width, view.moments.count, view.steps_dropped),
            (5, 4, 3),
            "the later create holds"
        );
    }
    assert!(cluster.nodes[0].events.contains(&Event::State(StateEvent::StepsDropped {
        field: a,
        steps: 3,
        asked: false
    })));
}

#[test]
fn steps_that_a_caller_discards_are_told_apart_from_those_that_another_node_overtakes() {
    let (mut cluster, default, a) = (pair(), field("default"), field("a"));
    create(&mut cluster, 0, &a, 2);
    cluster.run(100);
    for (name, more) in [(&default, 0), (&a, 10)] {
        steps(&mut cluster, 0, name, more + 3);
        steps(&mut cluster, 1, name, more + 4);
    }
    reset(&mut cluster, 0, &default, 2);
    cluster.quiet(1_000);
    cluster.with(0, |replica, now| replica.drop_field(now, &a).unwrap());
    cluster.quiet(1_000);
    assert_eq!(dropped(&cluster, 0), [(3, true), (13, true)], "by a reset, and by a drop");
    assert_eq!(dropped(&cluster, 1), [(4, false), (14, false)]);
}

#[test]
fn the_same_create_in_the_same_millisecond_is_one_field_and_the_last_parameters_hold() {
    let (mut cluster, a) = (pair(), field("a"));
    cluster.set_cut(0, 1, true);
    let other = Parameters::default().with([("dt", 0.3)]).unwrap();
    create(&mut cluster, 0, &a, 2);
    cluster.with(1, |replica, now| replica.create_field(now, &a, (shape(2), other.clone())).unwrap());
    steps(&mut cluster, 0, &a, 3);
    steps(&mut cluster, 1, &a, 4);
    cluster.quiet(1_000);
    cluster.assert_agreed();
    for node in &cluster.nodes {
        let view = node.replica.view(&a).unwrap();
        assert_eq!((view.moments.count, view.steps_dropped), (7, 0));
        assert_eq!(view.spec.spec.setup.parameters, other, "of equal clocks the greater origin's");
    }
}

/// Two shapes whose epochs of one millisecond are the same: once in a million times they are.
fn rivals(width: usize) -> [Shape; 2] {
    let mut seen = std::collections::BTreeMap::new();
    (0..)
        .find_map(|seed| {
            let shape = Shape { seed, width: width + seed as usize % 2, ..Shape::default() };
            let epoch = shape.epoch_at(1, false);
            seen.insert(epoch, shape.clone()).filter(|other| other.width != shape.width).map(|other| [other, shape])
        })
        .unwrap()
}

#[test]
fn two_shapes_that_draw_one_epoch_are_never_added_up() {
    let (mut cluster, a) = (Cluster::ready(7, 3, Faults { delay_ms: 4, ..Faults::default() }), field("a"));
    cluster.run(100);
    cluster.set_cut(0, 1, true);
    cluster.set_cut(0, 2, true);
    cluster.set_cut(1, 2, true);
    for (n, shape) in (0..).zip(rivals(3)) {
        cluster.with(n, |replica, now| replica.create_field(now, &a, (shape, Parameters::default())).unwrap());
        steps(&mut cluster, n, &a, 3);
    }
    assert_eq!(epoch(&cluster.nodes[0].replica, &a), epoch(&cluster.nodes[1].replica, &a));
    cluster.quiet(2_000);
    cluster.assert_agreed();
    for n in 0..3 {
        let view = cluster.nodes[n].replica.view(&a).unwrap();
        assert_eq!((view.moments.count, view.steps_dropped), (0, 6), "what was counted in a disputed epoch is dropped");
        assert_eq!(dropped(&cluster, n), if n < 2 { vec![(3, false)] } else { vec![] }, "nobody asked for that");
        steps(&mut cluster, n, &a, 2);
    }
    cluster.run(1_000);
    cluster.assert_agreed();
    assert_eq!(cluster.count(2, &a), 6);
}

#[test]
fn a_dropped_field_leaves_only_marks_and_starts_empty_when_made_again() {
    let (mut cluster, a) = (pair(), field("a"));
    create(&mut cluster, 0, &a, 600);
    cluster.run(100);
    for n in 0..2 {
        steps(&mut cluster, n, &a, 3);
        cluster.with(n, |replica, now| replica.intervene(now, &a, Action::Nigredo).unwrap());
    }
    cluster.run(100);
    cluster.with(1, |replica, now| replica.drop_field(now, &a).unwrap());
    cluster.run(1_000);
    cluster.assert_agreed();
    for node in &cluster.nodes {
        assert_eq!(node.replica.view(&a), None);
        for origin in [cluster.origin(0), cluster.origin(1)] {
            let left = held(&node.replica, &origin, &a);
            assert!(left.iter().all(|(lane, _)| [lanes::SPEC, lanes::TOMBSTONE].contains(lane)), "{left:?}");
            assert!(left.iter().all(|(_, epoch)| *epoch == left[0].1), "of one epoch: {left:?}");
        }
    }
    create(&mut cluster, 0, &a, 3);
    cluster.run(1_000);
    for node in &cluster.nodes {
        let view = node.replica.view(&a).unwrap();
        assert_eq!(
            (view.moments.count, view.last.as_ref(), view.interventions.noise.value(), view.interventions.counted),
            (0, None, 0.0, 0)
        );
        assert_eq!(view.steps_dropped, 6);
    }
}

/// A replica keeps what a silent origin wrote: only the origin itself may give it up.
#[test]
fn nobodys_entries_go_because_of_anothers_write() {
    let (mut cluster, a) = (Cluster::ready(3, 3, Faults { delay_ms: 4, ..Faults::default() }), field("a"));
    create(&mut cluster, 0, &a, 2);
    cluster.run(200);
    steps(&mut cluster, 2, &a, 5);
    cluster.run(1_000);
    let silent = cluster.origin(2);
    let before: Vec<_> = cluster.nodes[0].replica.entries(&silent).collect();
    assert!(!before.is_empty());
    cluster.kill(2);
    reset(&mut cluster, 0, &a, 2);
    steps(&mut cluster, 1, &a, 1);
    cluster.run(1_000);
    cluster.with(1, |replica, now| replica.drop_field(now, &a).unwrap());
    cluster.run(1_000);
    for n in 0..2 {
        assert_eq!(cluster.nodes[n].replica.entries(&silent).collect::<Vec<_>>(), before);
        assert_eq!(cluster.nodes[n].replica.view(&a), None);
    }
}

/// Flushed or not: what was accepted in an epoch that others had already left is dropped, and counted.
#[test]
fn steps_that_a_reset_overtakes_are_dropped_and_counted() {
    for wait in [0, 5, 500] {
        let (mut cluster, name) = (pair(), field("default"));
        cluster.set_cut(0, 1, true);
        steps(&mut cluster, 1, &name, 2);
        cluster.run(40);
        reset(&mut cluster, 0, &name, 3);
        steps(&mut cluster, 0, &name, 1);
        cluster.set_cut(0, 1, false);
        steps(&mut cluster, 1, &name, 5);
        cluster.run(wait);
        cluster.quiet(1_000);
        cluster.assert_agreed();
        for node in &cluster.nodes {
            let view = node.replica.view(&name).unwrap();
            assert_eq!(
                (view.spec.spec.setup.shape.width, view.moments.count, view.steps_dropped),
                (3, 1, 7),
                "after {wait} ms"
            );
        }
    }
}

/// The one who reset the field died when it had told one of two; that one goes on, and falls silent too before it has
/// handed on more than its own. The third may not fall back to the epoch before: it has left it.
#[test]
fn an_epoch_does_not_fall_back_when_its_maker_is_not_heard() {
    let (mut cluster, name) = (Cluster::ready(5, 3, Faults { delay_ms: 1, ..Faults::default() }), field("default"));
    reset(&mut cluster, 1, &name, 2);
    cluster.run(500);
    for n in 0..3 {
        steps(&mut cluster, n, &name, 2);
    }
    cluster.run(500);
    let first = epoch(&cluster.nodes[2].replica, &name);
    cluster.set_cut(0, 2, true);
    cluster.set_cut(1, 2, true);
    reset(&mut cluster, 0, &name, 4);
    cluster.run(500);
    let second = epoch(&cluster.nodes[1].replica, &name);
    assert!(second > first);
    cluster.kill(0);
    // First-hand comes first: what node 1 wrote itself arrives before what it heard of node 0.
    cluster.set_cut(1, 2, false);
    cluster.run(50);
    assert_eq!(epoch(&cluster.nodes[2].replica, &name), second, "node 1 gave up the first epoch, and says for which");
    cluster.kill(1);
    steps(&mut cluster, 2, &name, 3);
    cluster.run(500);
    let joiner = cluster.start(config("n9"));
    cluster.connect(2, joiner);
    cluster.run(2_000);
    cluster.assert_agreed();
    assert_eq!(cluster.count(joiner, &name), 3);
}

#[test]
fn a_spec_is_repeated_byte_for_byte() {
    let (mut cluster, a) = (pair(), field("a"));
    create(&mut cluster, 0, &a, 2);
    cluster.run(200);
    steps(&mut cluster, 1, &a, 1);
    cluster.run(200);
    reset(&mut cluster, 0, &a, 3);
    cluster.run(500);
    let spec_of = |origin: &Origin| {
        let mut entries = cluster.nodes[0].replica.entries(origin).filter(|entry| entry.key.lane == lanes::SPEC);
        entries.next().unwrap().value
    };
    assert_eq!(spec_of(&cluster.origin(0)), spec_of(&cluster.origin(1)));
    let mark = cluster.nodes[0].replica.entries(&cluster.origin(1)).find(|entry| entry.key.lane == lanes::TOMBSTONE);
    assert_eq!(values::TombstoneValue::decode(mark.unwrap().value).unwrap().steps_dropped, 1);
}

/// So that what an origin counted can be read when all others have ended, or before they are heard of.
#[test]
fn who_writes_in_an_epoch_holds_its_spec() {
    let (mut cluster, default) = (pair(), field("default"));
    let specs_of = |cluster: &Cluster, n: usize| -> Vec<_> {
        let origin = cluster.origin(n);
        let entries = cluster.nodes[0].replica.entries(&origin).filter(|entry| entry.key.lane == lanes::SPEC);
        entries.map(|entry| (entry.key, entry.value)).collect()
    };
    for name in ["a", "b", "c"].map(field) {
        create(&mut cluster, 0, &name, 2);
    }
    cluster.run(200);
    steps(&mut cluster, 1, &default, 1);
    cluster.run(200);
    assert_eq!(specs_of(&cluster, 1), [], "nobody declared the first epoch of `default`");
    steps(&mut cluster, 1, &field("a"), 2);
    cluster.with(1, |replica, now| replica.intervene(now, &field("b"), Action::Albedo).unwrap());
    let inputs = [input(1, 2)];
    cluster.with(1, |replica, now| {
        let mut batch = replica.begin_batch(now, &field("c"), &[&inputs[0]]).unwrap();
        batch.run();
        replica.finish_batch(now, batch).unwrap();
    });
    cluster.run(500);
    assert_eq!(specs_of(&cluster, 1), specs_of(&cluster, 0), "by a step, an intervention and a batch");
    steps(&mut cluster, 1, &field("a"), 1);
    cluster.run(500);
    cluster.assert_agreed();
    assert_eq!(specs_of(&cluster, 1).len(), 3);
}

proptest! {
    #![proptest_config(cases(24))]

    /// Whatever happens to field `a`, `b` and `default` show what they would without it.
    #[test]
    fn one_fields_figures_never_touch_anothers(seed in any::<u64>(), deeds in prop::collection::vec((0..3_usize, 0..6_u8), 1..60)) {
        let play = |with_a: bool| {
            let mut cluster = Cluster::ready(seed, 3, Faults::default());
            let [a, b] = [field("a"), field("b")];
            create(&mut cluster, 0, &b, 3);
            cluster.run(100);
            for (node, deed) in &deeds {
                let tick = cluster.now;
                match deed {
                    0 => steps(&mut cluster, *node, &b, 1),
                    1 => steps(&mut cluster, *node, &field("default"), 1),
                    2 if with_a => drop(cluster.with(*node, |replica, now| replica.create_field(now, &a, (shape(3), Parameters::default())))),
                    3 if with_a => drop(cluster.with(*node, |replica, now| replica.drop_field(now, &a))),
                    4 if with_a => drop(cluster.with(*node, |replica, now| replica.intervene(now, &a, Action::Nigredo))),
                    5 if with_a => drop(cluster.with(*node, |replica, now| replica.step(now, &a, &input(tick, 3)))),
                    _ => {}
                }
                cluster.run(30);
            }
            cluster.quiet(5_000);
            cluster.assert_agreed();
            let replica = &cluster.nodes[0].replica;
            [replica.view(&b), replica.view(&field("default"))]
        };
        prop_assert_eq!(play(true), play(false));
    }
}

#[test]
fn the_default_field_is_there_from_the_start_and_stays() {
    let mut replica = crate::common::ready("n");
    let name = field("default");
    let view = replica.view(&name).unwrap();
    assert_eq!((view.moments.count, view.moments.parts.len(), view.moments.parts[0].width()), (0, 1, 16));
    assert!(replica.drop_field(at(1), &name).is_err());
    assert!(replica.create_field(at(1), &name, (shape(3), Parameters::default())).is_err());
    let want = replica.step(at(1), &name, &input(1, 16)).unwrap();
    assert_eq!(want.k, 1);
    assert_eq!(replica.view(&name).unwrap().moments.count, 1);
}

/// A dispute reaches a node whose steps in the disputed epoch wait for a flush.
#[test]
fn a_dispute_that_arrives_before_a_flush_leaves_nothing_behind() {
    use crate::common::{craft::Courier, ready};
    let a = field("a");
    let (mut loser, mut winner, mut courier) = (ready("a"), ready("b"), Courier::default());
    loser.step(at(1), &field("default"), &input(1, 16)).unwrap();
    loser.tick(at(1)); // flushes; the next flush is due at 21
    let [first, second] = rivals(3);
    loser.create_field(at(2), &a, (first.clone(), Parameters::default())).unwrap();
    winner.create_field(at(2), &a, (second.clone(), Parameters::default())).unwrap();
    let disputed = epoch(&loser, &a);
    assert_eq!(disputed, epoch(&winner, &a));
    for n in 0..3 {
        loser.step(at(2), &a, &input(n, first.width)).unwrap();
    }
    courier.sync(&mut winner, &mut loser, at(3));
    loser.flush();
    let view = loser.view(&a).unwrap();
    assert!(view.spec.epoch > disputed, "the field leaves the disputed epoch");
    assert_eq!((view.moments.count, view.steps_dropped), (0, 3));
    assert_eq!(loser.view_from_entries(&a), Some(view));
    loser.step(at(4), &a, &input(9, second.width)).unwrap();
    courier.sync(&mut loser, &mut winner, at(5));
    assert_eq!(winner.view(&a), loser.view(&a));
}
