//! What one peer that keeps to the protocol's letter, and means ill, can make a replica keep: little.

#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::sync::{Mutex, MutexGuard, PoisonError};

mod common;

use common::{
    WALL_MS, at, config,
    craft::{self, Author, hand, listing, origin, poll_all, version_of},
    frame, ready,
};
use peak_alloc::PeakAlloc;
use prost::Message;
use psi_replica::{
    Config, LinkError, LinkId, NotReady, Origin, Refusal, decode_frame,
    proto::{self, frame::Body},
};
use psi_state::{Event, Replica};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ORIGINS_MAX: usize = 131_072;
const ORIGINS_PER_FRAME: usize = 4_096;

/// Memory is counted for the whole process, so that one test runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A full frame of origins that were never named before, as the beginning of a listing.
fn fresh_origins(number: u64, complete: bool) -> proto::FrontierUpdate {
    let origins: Vec<(Origin, u64)> =
        (1..=ORIGINS_PER_FRAME as u64).map(|n| version_of(&origin("x", number * 1_000_000 + n), 1)).collect();
    proto::FrontierUpdate { number, complete, ..listing(&origins) }
}

#[test]
fn listings_that_restart_and_never_end_are_cut_off() {
    let (_alone, mut replica) = (alone(), ready("n"));
    let link = LinkId(1);
    replica.link_up(at(0), link);
    hand(&mut replica, at(0), link, Body::Hello(craft::open("x"))).unwrap();
    let taken = (1..)
        .map_while(|number| hand(&mut replica, at(0), link, Body::FrontierUpdate(fresh_origins(number, false))).ok());
    assert_eq!(taken.take(100).count(), ORIGINS_MAX / ORIGINS_PER_FRAME);
}

#[test]
fn listings_of_others_each_time_do_not_pile_up_for_a_peer_that_does_not_read() {
    let (_alone, mut replica) = (alone(), ready("n"));
    let link = craft::link(&mut replica, at(0), 1, "x", Vec::new());
    for number in 2..50 {
        hand(&mut replica, at(number * 2_000), link, Body::FrontierUpdate(fresh_origins(number, true))).unwrap();
        replica.tick(at(number * 2_000 + 1_000));
        let waiting = replica.backlog(link).unwrap().waiting;
        assert!(waiting <= ORIGINS_MAX + 8, "{waiting} after {number}");
    }
    assert!(replica.gaps() <= 2 * ORIGINS_PER_FRAME, "{} lacking", replica.gaps());
}

#[test]
fn more_moves_than_a_frame_has_room_for_are_refused_by_name() {
    let (_alone, mut replica) = (alone(), ready("n"));
    let link = craft::link(&mut replica, at(0), 1, "x", vec![version_of(&origin("x", 1), 1)]);
    let moves = |count| proto::FrontierUpdate { number: 2, moved_by_one: vec![0; count], ..Default::default() };
    let refused = hand(&mut replica, at(1), link, Body::FrontierUpdate(moves(ORIGINS_PER_FRAME + 1)));
    assert_eq!(refused, Err(LinkError::TooManyMoves { limit: ORIGINS_PER_FRAME }));
    assert_eq!(hand(&mut replica, at(1), link, Body::FrontierUpdate(moves(ORIGINS_PER_FRAME))), Ok(()));
}

#[test]
fn long_names_and_reasons_are_cut_where_they_are_kept() {
    let (_alone, mut replica) = (alone(), ready("n"));
    let long = "y".repeat(500_000);
    let link = craft::link(&mut replica, at(0), 1, "x", Vec::new());
    let mut author = Author::new("x");
    author.write(Author::key("default", 0, 99, 0), vec![0]);
    let mut delta = author.delta(0);
    delta.entries[0].field.clone_from(&long);
    hand(&mut replica, at(1), link, Body::Delta(delta)).unwrap();
    // A delta of its own, refused at length.
    replica.step(at(2), &common::field("default"), &common::input(1, 16)).unwrap();
    replica.tick(at(100));
    let sent = poll_all(&mut replica, at(100), link);
    let delta =
        sent.iter().find_map(|body| if let Body::Delta(delta) = body { Some(delta.clone()) } else { None }).unwrap();
    let refusal =
        proto::Nack { origin: delta.origin, number: delta.number, reason: long.clone(), detail: long.clone(), held: 0 };
    hand(&mut replica, at(101), link, Body::Nack(refusal)).unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| replica.poll_event()).collect();
    let told = |what: fn(&Event) -> bool| events.iter().any(what);
    assert!(told(|event| matches!(event, Event::Refused(delta) if matches!(delta.refusal, Refusal::Key(_)))));
    assert!(told(|event| matches!(event, Event::RefusedByPeer { .. })));
    assert!(events.iter().all(|event| format!("{event:?}").len() < 1_000));
    let foreign = proto::Hello { cluster: long, ..craft::open("y") };
    replica.link_up(at(102), LinkId(2));
    let error = hand(&mut replica, at(102), LinkId(2), Body::Hello(foreign)).unwrap_err();
    assert!(error.to_string().len() < 300, "{} bytes", error.to_string().len());
}

/// What is decoded shares its frame's bytes: a value that is held must not keep the rest of the frame.
#[test]
fn a_held_byte_does_not_keep_the_frame_that_it_came_in() {
    let (_alone, mut replica) = (alone(), ready("n"));
    let link = craft::link(&mut replica, at(0), 1, "x", Vec::new());
    let before = MEMORY.current_usage();
    for n in 0..40 {
        let mut author = Author::new(&format!("x{n}"));
        author.write(Author::key("default", 0, 99, 0), vec![7]);
        let mut bytes = frame(Body::Delta(author.delta(0))).encode_to_vec();
        // A field of a later version, half a mebibyte long, beside the delta.
        bytes.extend([0xC2, 0x0C]);
        prost::encoding::encode_varint(1 << 19, &mut bytes);
        bytes.resize(bytes.len() + (1 << 19), 0);
        replica.handle_frame(at(1), link, decode_frame(bytes.into()).unwrap()).unwrap();
    }
    assert_eq!(replica.frontier().len(), 40);
    let kept = MEMORY.current_usage().saturating_sub(before);
    assert!(kept < 1 << 20, "{kept} bytes are kept of 40 entries of one byte");
}

#[test]
fn passes_that_never_end_are_refused_beyond_what_an_honest_peer_sends() {
    const STAGINGS_MAX: usize = 1_024;
    let (_alone, mut replica) = (alone(), ready("n"));
    let link = craft::link(&mut replica, at(0), 1, "x", Vec::new());
    for n in 0..=STAGINGS_MAX {
        let mut author = Author::new(&format!("x{n}"));
        author.write(Author::key("default", 0, 99, 0), vec![7]);
        author.write(Author::key("default", 0, 99, 1), vec![7]);
        let half = author.frames(0).remove(0);
        hand(&mut replica, at(1), link, Body::Delta(half)).unwrap();
    }
    let refused: Vec<Refusal> = std::iter::from_fn(|| replica.poll_event())
        .filter_map(|event| if let Event::Refused(delta) = event { Some(delta.refusal) } else { None })
        .collect();
    assert_eq!(refused, [Refusal::TooManyDeltas { limit: STAGINGS_MAX }]);
}

/// A member that lists again and again, and gives nothing, holds a joiner no longer than any other that is stuck.
#[test]
fn a_joiner_does_not_wait_for_a_member_that_only_lists() {
    let _alone = alone();
    let mut replica = Replica::new(Config { is_seed: false, ..config("n") }, at(0));
    let beat = |ready| Body::Heartbeat(proto::Heartbeat { wall_ms: WALL_MS, ready, ..Default::default() });
    let target = vec![version_of(&origin("m", 5), 3)];
    let idle = craft::link(&mut replica, at(0), 1, "m", target.clone());
    hand(&mut replica, at(0), idle, beat(true)).unwrap();
    let other = craft::link(&mut replica, at(0), 2, "o", Vec::new());
    hand(&mut replica, at(0), other, beat(true)).unwrap();
    assert!(
        matches!(replica.readiness().for_writing(), Err(NotReady::Joining(why)) if why.to_string().contains("catching up with m"))
    );
    for number in 2..20 {
        let now = at(number * 1_000);
        hand(&mut replica, now, idle, Body::FrontierUpdate(proto::FrontierUpdate { number, ..listing(&target) }))
            .unwrap();
        replica.tick(now);
    }
    assert_eq!(
        replica.origin().map(|origin| origin.node.as_str()),
        Some("n"),
        "{:?}",
        replica.readiness().for_writing()
    );
}
