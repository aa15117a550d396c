//! Merging deltas by hand: in any order, in any grouping, through anybody, again and again.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    Rng, State, at, cases, config,
    craft::{Courier, poll_all},
    field, input, ready, shape,
};
use proptest::prelude::*;
use psi_engine::{Action, Parameters};
use psi_replica::{Config, LinkId, Origin, Version, proto, proto::frame::Body};
use psi_state::Replica;

/// Replicas that wrote on their own for a while, their conflicts kept: all make and reset the same fields.
fn writers(rng: &mut Rng, n: usize) -> Vec<Replica> {
    let mut writers: Vec<Replica> = (0..n).map(|n| ready_cut(&format!("w{n}"))).collect();
    for tick in 1..40 {
        let writer = &mut writers[rng.below(n as u64) as usize];
        write(writer, tick, rng);
    }
    writers.iter_mut().for_each(|writer| {
        writer.flush();
    });
    writers
}

/// A replica whose deltas are cut into frames of an entry or two.
fn ready_cut(name: &str) -> Replica {
    let mut replica = Replica::new(Config { frame_bytes: 300, ..config(name) }, at(0));
    replica.tick(at(0));
    replica
}

fn write(writer: &mut Replica, tick: u64, rng: &mut Rng) {
    let name = field(["default", "a"][rng.below(2) as usize]);
    let width = [2, 5][rng.below(2) as usize];
    // What does not fit the moment is refused, and that is part of the history.
    let _ = match rng.below(8) {
        0 => writer.create_field(at(tick), &name, (shape(width), Parameters::default())).map(drop),
        1 => writer.reset_field(at(tick), &name, (shape(width), Parameters::default())).map(drop),
        2 => writer.drop_field(at(tick), &name).map(drop),
        3 => writer.intervene(at(tick), &name, Action::ALL[rng.below(2) as usize]).map(drop),
        4 => {
            writer.flush();
            Ok(())
        }
        _ => {
            let width = writer.view(&name).map_or(1, |view| view.spec.spec.setup.shape.width);
            writer.step(at(tick), &name, &input(tick, width)).map(drop)
        }
    };
}

/// Every writer's entries as several deltas that follow each other, and their overlaps.
fn deltas(rng: &mut Rng, writers: &mut [Replica], courier: &mut Courier) -> Vec<Vec<proto::Delta>> {
    let mut deltas = Vec::new();
    for round in 0..3 {
        for writer in writers.iter_mut() {
            let origin = writer.origin().unwrap().clone();
            let held = writer.frontier().version(&origin).0;
            for base in [0, rng.below(held + 1)] {
                deltas.push(courier.take(writer, at(100 + round), &origin, Version(base)));
            }
            for tick in 0..4 {
                write(writer, 100 + 10 * round + tick, rng);
            }
            writer.flush();
        }
    }
    deltas.retain(|delta| !delta.is_empty());
    deltas
}

fn shuffle<T>(rng: &mut Rng, items: &mut [T]) {
    for n in (1..items.len()).rev() {
        items.swap(n, rng.below(n as u64 + 1) as usize);
    }
}

/// Delivers deltas in the order given, those with a gap before them again later.
fn deliver_all(target: &mut Replica, courier: &mut Courier, deltas: &[Vec<proto::Delta>]) {
    for _ in 0..deltas.len() {
        for delta in deltas {
            courier.bring(target, at(1_000), delta);
        }
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn passes_merge_in_any_order_and_any_number_of_times(seed in any::<u64>()) {
        let (mut rng, mut courier) = (Rng(seed), Courier::default());
        let mut writers = writers(&mut rng, 3);
        let mut deltas = deltas(&mut rng, &mut writers, &mut courier);
        let mut reference = ready("reader");
        deliver_all(&mut reference, &mut courier, &deltas);
        let want = State::of(&reference);
        for _ in 0..3 {
            shuffle(&mut rng, &mut deltas);
            for delta in &mut deltas {
                shuffle(&mut rng, delta);
            }
            let mut reader = ready("reader");
            deliver_all(&mut reader, &mut courier, &deltas);
            prop_assert_eq!(&State::of(&reader), &want);
        }
    }

    #[test]
    fn whichever_peer_hands_them_on_the_result_is_the_same(seed in any::<u64>()) {
        let (mut rng, mut courier) = (Rng(seed), Courier::default());
        let mut writers = writers(&mut rng, 4);
        // (((a b) c) d), and whatever other tree the seed grows, read by two that saw nothing else.
        let [mut left, mut right] = [ready("reader"), ready("reader")];
        for writer in &mut writers {
            courier.sync(writer, &mut left, at(500));
        }
        let mut hops: Vec<(usize, usize)> = (0..4).flat_map(|a| (0..4).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
        shuffle(&mut rng, &mut hops);
        for (from, to) in hops.into_iter().take(6) {
            let [source, target] = writers.get_disjoint_mut([from, to]).unwrap();
            courier.sync(source, target, at(500));
        }
        // Those that heard of a newer epoch have given up their share of the older one since: one more round each.
        for _ in 0..3 {
            for n in [3, 2, 1, 0] {
                courier.sync(&mut writers[n], &mut right, at(501));
                courier.sync(&mut writers[n], &mut left, at(501));
            }
        }
        prop_assert_eq!(State::of(&left), State::of(&right));
        let once = State::of(&left);
        courier.sync(&mut right, &mut left, at(502));
        prop_assert_eq!(State::of(&left), once);
    }

    /// Frames of one delta in any order, some twice, none or all missing: nothing happens before the last one is here,
    /// and then everything at once. A batch into a wide field is several entries; they are never seen apart.
    #[test]
    fn a_write_is_never_half_applied(seed in any::<u64>(), width in 513_usize..2_000) {
        let (mut rng, mut courier) = (Rng(seed), Courier::default());
        let (mut writer, mut reader, wide) = (ready_cut("w"), ready("reader"), field("wide"));
        let me = writer.origin().unwrap().clone();
        writer.create_field(at(1), &wide, (shape(width), Parameters::default())).unwrap();
        let mut count = 0;
        for round in 0..3 {
            let batch: Vec<Vec<f64>> = (0..=rng.below(3)).map(|n| input(round * 10 + n, width)).collect();
            count += batch.len() as u64;
            writer.step_batch(at(2 + round), &wide, &batch.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
            writer.flush();
            let mut frames = courier.take(&mut writer, at(10), &me, reader.frontier().version(&me));
            prop_assert!(frames.len() > width / 512, "{} frames", frames.len());
            shuffle(&mut rng, &mut frames);
            let before = State::of(&reader);
            let link = crate::common::craft::link(&mut reader, at(10), round, "w", Vec::new());
            for (n, frame) in frames.iter().enumerate() {
                prop_assert_eq!(&State::of(&reader), &before, "after {} of {} frames", n, frames.len());
                for _ in 0..=rng.below(2) {
                    crate::common::craft::hand(&mut reader, at(10), link, Body::Delta(frame.clone())).unwrap();
                }
            }
            let view = reader.view(&wide).unwrap();
            prop_assert_eq!(view.moments.count, count);
            prop_assert!(view.moments.parts.iter().all(|part| part.count() == count), "all parts count alike");
            prop_assert_eq!(view.moments.parts.len(), width.div_ceil(512));
            poll_all(&mut reader, at(10), link);
            reader.link_down(at(10), link);
        }
    }
}

/// What is on its way was frozen when it began: writes, resets and drops meanwhile are in the next delta, not in it.
#[test]
fn a_pass_under_way_does_not_move_with_the_writer() {
    let (mut writer, mut reader) = (ready_cut("w"), ready("reader"));
    let me: Origin = writer.origin().unwrap().clone();
    for n in 0..8 {
        let name = field(&format!("f{n}"));
        writer.create_field(at(n), &name, (shape(3), Parameters::default())).unwrap();
        writer.step(at(n), &name, &input(n, 3)).unwrap();
    }
    writer.flush();
    let (frozen, version): (Vec<_>, _) = (writer.entries(&me).collect(), writer.frontier().version(&me));
    let (out, back) = (
        crate::common::craft::link(&mut writer, at(9), 1, "reader", Vec::new()),
        crate::common::craft::link(&mut reader, at(9), 1, "w", Vec::new()),
    );
    for _ in 0..3 {
        let frame = writer.poll_frame(at(9), out).expect("it introduces itself and exchanges news first");
        reader.handle_frame(at(9), back, frame).unwrap();
    }
    let mut frames = 0;
    while reader.frontier().version(&me) < version {
        let frame = writer.poll_frame(at(10), out).expect("the delta goes on");
        reader.handle_frame(at(10), back, crate::common::craft::carried(frame)).unwrap();
        frames += 1;
        let name = field(&format!("f{}", frames % 8));
        // Overwritten, buried and gone while the delta is half sent.
        let _ = match frames % 3 {
            0 => writer.step(at(10 + frames), &name, &input(frames, 3)).map(drop),
            1 => writer.reset_field(at(10 + frames), &name, (shape(3), Parameters::default())).map(drop),
            _ => writer.drop_field(at(10 + frames), &name).map(drop),
        };
        writer.flush();
    }
    assert!(frames > 10, "cut into {frames} frames");
    assert_eq!(reader.frontier().version(&me), version);
    assert_eq!(reader.entries(&me).collect::<Vec<_>>(), frozen);
}

/// The node that brings a delta hears at once that it was taken, and again if it comes again: the first word may be lost.
#[test]
fn a_pass_is_acknowledged_whenever_it_comes() {
    let (mut writer, mut reader, mut courier) = (ready("w"), ready("reader"), Courier::default());
    let me = writer.origin().unwrap().clone();
    writer.step(at(1), &field("default"), &input(1, 16)).unwrap();
    writer.flush();
    let frames = courier.take(&mut writer, at(2), &me, Version::ZERO);
    for round in 0..3 {
        let answers = courier.bring(&mut reader, at(3), &frames);
        let ack = proto::Ack { number: frames[0].number };
        assert!(answers.contains(&Body::Ack(ack)), "round {round}: {answers:?}");
    }
}

/// What two replicas have to say to each other, over `ticks`.
fn talk(ends: &mut [(&mut Replica, LinkId); 2], ticks: std::ops::Range<u64>) {
    for tick in ticks.step_by(50) {
        for (replica, _) in ends.iter_mut() {
            replica.tick(at(tick));
        }
        let [(a, link_a), (b, link_b)] = ends;
        for body in poll_all(a, at(tick), *link_a) {
            crate::common::craft::hand(b, at(tick), *link_b, body).unwrap();
        }
        for body in poll_all(b, at(tick), *link_b) {
            crate::common::craft::hand(a, at(tick), *link_a, body).unwrap();
        }
    }
}

/// An acknowledgement that a damaged frame made up does not keep a peer from what it lacks.
#[test]
fn a_false_acknowledgement_is_repaired() {
    let (mut writer, mut reader) = (ready("w"), ready("reader"));
    let link = LinkId(1);
    writer.link_up(at(1), link);
    reader.link_up(at(1), link);
    talk(&mut [(&mut writer, link), (&mut reader, link)], 1..1_000);
    writer.step(at(1_000), &field("default"), &input(1, 16)).unwrap();
    writer.flush();
    let lost = poll_all(&mut writer, at(1_000), link);
    assert!(lost.iter().any(|body| matches!(body, Body::Delta(_))), "{lost:?}");
    crate::common::craft::hand(&mut writer, at(1_000), link, Body::Ack(proto::Ack { number: 1 })).unwrap();
    assert_eq!(writer.links().next().unwrap().1.holds_own, Version(1), "it believes the lie");
    talk(&mut [(&mut writer, link), (&mut reader, link)], 1_001..10_000);
    assert_eq!(State::of(&reader), State::of(&writer));
}

/// Nor does a made-up claim keep a replica asking without end: the peer's listing puts it right.
#[test]
fn a_false_claim_is_forgotten() {
    let mut reader = ready("reader");
    let nobody = crate::common::craft::origin_of("nobody");
    let link =
        crate::common::craft::link(&mut reader, at(0), 1, "w", vec![crate::common::craft::version_of(&nobody, 9)]);
    poll_all(&mut reader, at(1), link);
    let asks_within = |reader: &mut Replica, ticks: std::ops::Range<u64>| {
        ticks.step_by(100).any(|tick| {
            reader.tick(at(tick));
            poll_all(reader, at(tick), link).iter().any(|body| matches!(body, Body::Pull(_)))
        })
    };
    assert!(asks_within(&mut reader, 2..40_000));
    let beat = proto::Heartbeat { wall_ms: at(40_000).wall.0, settled: true, ..proto::Heartbeat::default() };
    crate::common::craft::hand(&mut reader, at(40_000), link, Body::Heartbeat(beat)).unwrap();
    let answers = poll_all(&mut reader, at(40_000), link);
    assert!(answers.iter().any(|body| matches!(body, Body::FrontierAck(ack) if ack.restart)), "{answers:?}");
    let nothing = proto::FrontierUpdate { number: 2, ..crate::common::craft::listing(&[]) };
    crate::common::craft::hand(&mut reader, at(40_000), link, Body::FrontierUpdate(nothing)).unwrap();
    assert!(!asks_within(&mut reader, 40_000..100_000));
}

/// The same held of every origin, and another digest: told once, not with every beat, and again if it comes again.
#[test]
fn a_peer_that_disagrees_is_told_of_once() {
    let mut replica = ready("n");
    let link = crate::common::craft::link(&mut replica, at(1), 1, "p", Vec::new());
    let (hash, digest) = (replica.frontier().hash().short(), replica.digest().short());
    let mut told = |frontier_hash, digest| {
        let beat = proto::Heartbeat { wall_ms: at(2).wall.0, frontier_hash, digest, ..proto::Heartbeat::default() };
        crate::common::craft::hand(&mut replica, at(2), link, Body::Heartbeat(beat)).unwrap();
        let events = std::iter::from_fn(|| replica.poll_event());
        events.filter(|event| matches!(event, psi_state::Event::Diverged { peer } if peer.as_str() == "p")).count()
    };
    for (frontier_hash, digest, want) in [
        (hash, digest, 0),
        (hash ^ 1, digest ^ 1, 0),
        (hash, digest ^ 1, 1),
        (hash, digest ^ 1, 0),
        (hash, digest, 0),
        (hash, digest ^ 2, 1),
    ] {
        assert_eq!(told(frontier_hash, digest), want);
    }
}
