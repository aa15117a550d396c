//! Memory and bandwidth grow with fields and origins, not with steps; a slow or dead peer costs no growing queue.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    at, config,
    craft::{self, Author, Courier, carried, hand, poll_all, version_of},
    field, input, ready, shape,
};
use prost::Message;
use psi_engine::{Action, Parameters};
use psi_replica::{Config, Entry, LinkId, TickMs, Version, proto, proto::frame::Body};
use psi_state::{Replica, lanes};

fn step(replica: &mut Replica, tick: u64) {
    replica.step(at(tick), &field("default"), &input(tick, 16)).unwrap();
    replica.tick(at(tick));
}

#[test]
fn entries_do_not_grow_with_steps() {
    let mut replica = ready("n");
    let mut sizes = Vec::new();
    for tick in (0..400_000).step_by(100) {
        step(&mut replica, tick);
        if tick % 7 == 0 {
            replica.intervene(at(tick), &field("default"), Action::Nigredo).unwrap();
        }
        if tick % 100_000 == 0 {
            replica.flush();
            sizes.push(replica.size().0);
        }
    }
    replica.flush();
    let origin = replica.origin().unwrap().clone();
    let of_drift = [lanes::ANCHOR, lanes::SLOTS, lanes::BASELINE];
    let (drift, others): (Vec<_>, Vec<_>) =
        replica.entries(&origin).partition(|entry| of_drift.contains(&entry.key.lane));
    let bytes = |entries: &[Entry]| entries.iter().map(|entry| entry.value.len()).sum::<usize>();
    // Moments, latest step, 64 seconds, 64 interventions, the guardian's 200 samples and alarm, and what is retired.
    assert_eq!(others.len(), 1 + 1 + 64 + 64 + 25 + 1 + 1, "{sizes:?}");
    assert!(bytes(&others) < 156 * 400, "{} bytes", bytes(&others));
    // Where buckets lie, the latest 32 seconds, and 400 s by minutes, hours and days.
    assert_eq!(drift.len(), 1 + 32 + 6 + 1 + 1, "{sizes:?}");
    assert!(bytes(&drift) < 24 << 10, "{} bytes", bytes(&drift));
}

/// A peer that reads nothing: the link holds no frame, and at most one delta, however much is written.
#[test]
fn a_peer_that_does_not_read_costs_no_queue() {
    let mut replica = ready("n");
    let link = craft::link(&mut replica, at(0), 1, "slow", Vec::new());
    for tick in 0..3_000 {
        step(&mut replica, tick * 25);
        assert!(replica.backlog(link).unwrap().frozen_entries == 0, "nothing is frozen before it is asked for");
    }
    // It reads a little, stalls in the middle of a delta, and reads on much later.
    let mut peer = ready("slow");
    let back = craft::link(&mut peer, at(75_000), 1, "n", Vec::new());
    for _ in 0..2 {
        let frame = replica.poll_frame(at(75_000), link).unwrap();
        peer.handle_frame(at(75_000), back, carried(frame)).unwrap();
    }
    let mut most = 0;
    for tick in 3_000..9_000 {
        step(&mut replica, tick * 25);
        let backlog = replica.backlog(link).unwrap();
        most = most.max(backlog.frozen_entries);
        assert!(backlog.waiting <= 8, "{backlog:?}");
    }
    assert!(most <= replica.size().0, "at most one delta: {most} entries");
    for _ in 0..3 {
        for body in poll_all(&mut replica, at(225_000), link) {
            hand(&mut peer, at(225_000), back, body).unwrap();
        }
        for body in poll_all(&mut peer, at(225_000), back) {
            hand(&mut replica, at(225_000), link, body).unwrap();
        }
    }
    replica.flush();
    assert_eq!(
        peer.view(&field("default")).unwrap().moments.count,
        replica.view(&field("default")).unwrap().moments.count
    );
}

/// A peer that is cut off keeps no timer running hot: what waits for room waits for no time.
#[test]
fn a_link_without_room_asks_for_no_wakes_in_the_past() {
    let mut replica = ready("n");
    let _blocked = craft::link(&mut replica, at(0), 1, "slow", Vec::new());
    let mut now = 0;
    for _ in 0..200 {
        step(&mut replica, now);
        // With all flushed and the link blocked there may be nothing to wake for at all.
        let next = replica.wake_at().map_or(now + 10, |TickMs(next)| next);
        assert!(next > now, "at {now} to be woken at {next}");
        now = next;
    }
}

/// What a delta brings is a difference of state: thousands of steps cost a few entries.
#[test]
fn a_delta_is_bounded_by_the_state_not_by_the_steps() {
    let (mut replica, mut courier) = (ready("n"), Courier::default());
    let me = replica.origin().unwrap().clone();
    for n in 0..5_000 {
        replica.step(at(n / 100), &field("default"), &input(n, 16)).unwrap();
    }
    replica.flush();
    let frames = courier.take(&mut replica, at(60), &me, Version(10));
    assert_eq!(frames.len(), 1);
    // Moments, latest step, one second, the guardian's first 48 samples (of three times 20 ms) and its alarm.
    assert!(frames[0].entries.len() <= 3 + 6 + 1, "{}", frames[0].entries.len());
    assert_eq!(replica.frontier().version(&me), Version(5_000));
}

/// The largest state that one field can have travels; no frame is over the limit, and none is dropped for its size.
#[test]
fn the_widest_field_travels_in_frames_within_the_limit() {
    let (mut replica, wide) = (ready("n"), field(&"w".repeat(64)));
    replica.create_field(at(1), &wide, (shape(4096), Parameters::default())).unwrap();
    for n in 0..3 {
        replica.step(at(n), &wide, &vec![-16_000_000.1; 4096]).unwrap();
    }
    replica.flush();
    let mut peer = ready("p");
    let (out, back) =
        (craft::link(&mut replica, at(9), 1, "p", Vec::new()), craft::link(&mut peer, at(9), 1, "n", Vec::new()));
    while let Some(frame) = replica.poll_frame(at(9), out) {
        assert!(frame.encoded_len() <= psi_replica::FRAME_ENCODED_MAX);
        hand(&mut peer, at(9), back, frame.body.unwrap()).unwrap();
    }
    assert_eq!(peer.view(&wide), replica.view(&wide));
}

/// A delta over the limit is refused by name, on both sides, rather than dropped; the link goes on.
#[test]
fn a_pass_over_the_limit_is_refused_by_name_and_said_to_its_sender() {
    let mut peer = Replica::new(Config { delta_bytes_max: 2_000, ..config("p") }, at(0));
    peer.tick(at(0));
    let mut author = Author::new("big");
    for index in 0..40 {
        author.write(Author::key("default", 0, 99, index), vec![7; 100]);
    }
    let (before, mut courier) = (crate::common::State::of(&peer), Courier::default());
    let bodies = courier.bring(&mut peer, at(1), &author.frames(0));
    let refusals: Vec<_> = bodies.iter().filter(|body| matches!(body, Body::Nack(_))).collect();
    let [Body::Nack(proto::Nack { reason, detail, .. })] = refusals[..] else { panic!("{bodies:?}") };
    assert_eq!(reason, "delta_too_large");
    assert!(detail.contains("2000 bytes"), "{detail}");
    assert_eq!(crate::common::State::of(&peer), before);
}

/// Frames of deltas that never become whole are forgotten in the end.
#[test]
fn a_pass_that_stands_still_is_forgotten() {
    let (mut replica, mut author) = (ready("n"), Author::new("a"));
    for index in 0..3 {
        author.write(Author::key("default", 0, 99, index), vec![7; 100]);
    }
    let link = craft::link(&mut replica, at(0), 1, "p", vec![version_of(&author.origin, 3)]);
    hand(&mut replica, at(1), link, Body::Delta(author.frames(0)[0].clone())).unwrap();
    assert!(replica.backlog(link).unwrap().staged_bytes > 0);
    replica.tick(at(200_000));
    assert_eq!(replica.backlog(link).unwrap().staged_bytes, 0);
    assert_eq!(replica.backlog(LinkId(77)), None);
}

/// A peer that takes no answers and sends what is held already, under new numbers, or nothing under new names.
#[test]
fn a_peer_that_floods_and_does_not_read_costs_a_bounded_memory() {
    let (mut replica, mut author) = (ready("n"), Author::new("a"));
    author.write(Author::key("default", 0, 99, 0), vec![7]);
    let link = craft::link(&mut replica, at(0), 1, "p", Vec::new());
    for _ in 0..5_000 {
        hand(&mut replica, at(1), link, Body::Delta(author.delta(0))).unwrap();
    }
    assert!(replica.backlog(link).unwrap().waiting <= 1_100, "{:?}", replica.backlog(link));
    let nothing = |n: u64| {
        let origin = craft::origin(&format!("x{n}"), 1);
        Body::Delta(proto::Delta { origin: Some((&origin).into()), number: n, ..proto::Delta::default() })
    };
    let error = (0..200_000).find_map(|n| hand(&mut replica, at(2), link, nothing(n)).err());
    assert_eq!(error.expect("it ends").reason(), "too_many_origins");
}
