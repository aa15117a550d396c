//! Bad frames: each is refused by name and changes nothing, and what is good on the same link goes on.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    State, WALL_MS, at,
    craft::{
        self, Author, epoch_of, hand, link, listing, open, origin, poll_all, populated, recent_value, spec_value,
        version_of,
    },
    field, input, ready,
};
use prost::Message;
use psi_replica::{LinkId, PROTOCOL, proto, proto::frame::Body};
use psi_state::{Event, lanes, proto as values};

const DAY_MS: u64 = 86_400_000;

/// Epoch whose clock is so many milliseconds after tick 0.
fn epoch_at(ms: u64) -> u64 {
    (WALL_MS + ms) << 20
}

/// An author with two valid entries.
fn author() -> Author {
    let mut author = Author::new("author");
    author.write(Author::key("default", 0, lanes::RECENT.0, 0), recent_value(WALL_MS));
    author.write(Author::key("default", 0, 99, 1), vec![1, 2, 3]);
    author
}

fn deltas(change: impl FnOnce(&mut proto::Delta)) -> Vec<proto::Delta> {
    let mut delta = author().delta(0);
    change(&mut delta);
    vec![delta]
}

fn with_entry(lane: u32, epoch: u64, index: u64, value: Vec<u8>) -> Vec<proto::Delta> {
    let mut author = author();
    author.write(Author::key("default", epoch, lane, index), value);
    vec![author.delta(0)]
}

fn written(entries: &[(&str, u64, u32, Vec<u8>)]) -> Vec<proto::Delta> {
    let mut author = author();
    for (name, epoch, lane, value) in entries {
        author.write(Author::key(name, *epoch, *lane, 0), value.clone());
    }
    vec![author.delta(0)]
}

/// The reason that a peer hears, and the event that the node's log shows, of deltas that change nothing.
fn check(name: &str, frames: Vec<proto::Delta>, want: &str) {
    let mut replica = populated("n");
    while replica.poll_event().is_some() {}
    let link = link(&mut replica, at(20), 1, "peer", Vec::new());
    let before = State::of(&replica);
    for delta in frames {
        hand(&mut replica, at(21), link, Body::Delta(delta)).unwrap();
    }
    assert_eq!(State::of(&replica), before, "{name}");
    let bodies = poll_all(&mut replica, at(22), link);
    let heard: Vec<_> =
        bodies.iter().filter_map(|body| if let Body::Nack(refusal) = body { Some(refusal) } else { None }).collect();
    assert_eq!(heard.len(), 1, "{name}: {bodies:?}");
    assert_eq!(heard[0].reason, want, "{name}: {}", heard[0].detail);
    assert!(heard[0].detail.len() > 20, "{name} is explained");
    let events: Vec<Event> = std::iter::from_fn(|| replica.poll_event()).collect();
    let logged =
        events.iter().any(|event| matches!(event, Event::Refused(refused) if refused.refusal.reason() == want));
    assert!(logged, "{name}: {events:?}");
    // The link goes on: another origin's delta is taken.
    let mut other = Author::new("another");
    other.write(Author::key("default", 0, 99, 0), vec![1]);
    hand(&mut replica, at(23), link, Body::Delta(other.delta(0))).unwrap();
    assert_eq!(replica.frontier().version(&other.origin).0, 1, "{name}");
}

/// A name, the frames of a delta, and why it is refused.
type Case = (&'static str, Vec<proto::Delta>, &'static str);

/// Deltas that are no whole step of an origin.
fn malformed_deltas() -> Vec<Case> {
    let own = populated("n").origin().unwrap().clone();
    let twice = |frames: &mut Vec<proto::Delta>| {
        let again = frames[0].entries[0].clone();
        frames[0].entries.push(again);
    };
    let mut doubled = deltas(|_| {});
    twice(&mut doubled);
    let mut contradicting = author().frames(0);
    contradicting[1].version += 1;
    let mut two_ends = author().frames(0);
    two_ends[0].last = true;
    two_ends[0].digest = two_ends[1].digest.clone();
    two_ends.swap(0, 1);
    let (epoch, lane) = (epoch_of(WALL_MS + 5, 3), lanes::TOMBSTONE.0);
    let mark = values::TombstoneValue { steps_dropped: 1 }.encode_to_vec();
    let spec = ("default", epoch, lanes::SPEC.0, spec_value(WALL_MS, 3));
    vec![
        ("gap", deltas(|delta| delta.base = 1), "version_gap"),
        ("own origin", deltas(|delta| delta.origin = Some((&own).into())), "own_origin"),
        ("entry after the delta", deltas(|delta| delta.entries[0].version = 9), "entry_version"),
        ("entry not after the base", deltas(|delta| delta.entries[0].version = 0), "entry_version"),
        ("a version that nothing was written at", deltas(|delta| delta.version = 9), "version_unwritten"),
        ("no versions", deltas(|delta| delta.version = 0), "empty_delta"),
        ("damaged value", deltas(|delta| delta.entries[1].value = vec![9].into()), "digest_mismatch"),
        ("damaged version", deltas(|delta| delta.entries[0].version = 2), "digest_mismatch"),
        ("entry lost", deltas(|delta| drop(delta.entries.pop())), "digest_mismatch"),
        ("damaged digest", deltas(|delta| delta.digest = vec![7; 32].into()), "digest_mismatch"),
        ("short digest", deltas(|delta| delta.digest = vec![7; 31].into()), "digest_length"),
        ("oversize value", with_entry(99, 0, 2, vec![0; 65_537]), "value_too_large"),
        ("bad field name", deltas(|delta| delta.entries[0].field = "a b".to_owned()), "bad_name"),
        ("a key twice", doubled, "duplicate_key"),
        ("another version in the second frame", contradicting, "inconsistent_frames"),
        ("two last frames", two_ends, "inconsistent_frames"),
        (
            "below its own tombstone",
            written(&[("default", epoch, lane, mark.clone()), spec.clone()]),
            "below_tombstone",
        ),
        ("a tombstone without a spec", written(&[("x", epoch, lane, mark)]), "tombstone_alone"),
    ]
}

/// Whole deltas that hold what no origin may write.
fn deltas_of_bad_values() -> Vec<Case> {
    vec![
        (
            "clock a day ahead",
            with_entry(lanes::RECENT.0, epoch_at(0), 0, recent_value(WALL_MS + DAY_MS)),
            "clock_ahead",
        ),
        ("epoch a day ahead", with_entry(99, epoch_at(DAY_MS), 0, vec![1]), "clock_ahead"),
        (
            "spec a day ahead",
            with_entry(lanes::SPEC.0, epoch_of(WALL_MS, 3), 0, spec_value(WALL_MS + DAY_MS, 3)),
            "clock_ahead",
        ),
        (
            "a spec in another shape's epoch",
            with_entry(lanes::SPEC.0, epoch_of(WALL_MS, 4), 0, spec_value(WALL_MS, 3)),
            "bad_value",
        ),
        ("a shape before all epochs", with_entry(lanes::SPEC.0, 0, 0, spec_value(WALL_MS, 3)), "bad_value"),
        ("not a message", with_entry(lanes::SPEC.0, 0, 0, vec![0xff; 9]), "bad_value"),
        ("a width of none", with_entry(lanes::SPEC.0, 0, 0, spec_value(WALL_MS, 0)), "bad_value"),
        ("a width over the limit", with_entry(lanes::SPEC.0, 0, 0, spec_value(WALL_MS, 4097)), "bad_value"),
        ("no clock", with_entry(lanes::RECENT.0, epoch_at(0), 0, Vec::new()), "bad_value"),
        ("out of place", with_entry(lanes::RECENT.0, epoch_at(0), 1, recent_value(WALL_MS)), "bad_value"),
        (
            "impossible sums",
            with_entry(
                lanes::MOMENTS.0,
                0,
                0,
                values::MomentsValue { sums: vec![1, 1, 1, 5, 0].into() }.encode_to_vec(),
            ),
            "bad_value",
        ),
    ]
}

#[test]
fn a_bad_delta_changes_nothing_and_is_refused_by_name() {
    for (name, frames, want) in malformed_deltas().into_iter().chain(deltas_of_bad_values()) {
        check(name, frames, want);
    }
}

#[test]
fn an_origin_a_day_ahead_is_put_off() {
    let mut ahead = author();
    ahead.origin = origin("author", (WALL_MS + DAY_MS) * 1000);
    let delta = ahead.delta(0);
    check("incarnation a day ahead", vec![delta], "clock_ahead");
}

/// An entry below a tombstone that came in an earlier delta is refused too: otherwise who has both takes them in, and
/// who gets both at once never does.
#[test]
fn the_dead_do_not_rise_below_a_tombstone_that_is_held() {
    let (mut replica, mut author) = (ready("n"), Author::new("author"));
    let link = link(&mut replica, at(20), 1, "peer", Vec::new());
    author.write(Author::key("default", epoch_of(WALL_MS + 5, 3), lanes::SPEC.0, 0), spec_value(WALL_MS, 3));
    author.write(Author::key("default", epoch_of(WALL_MS + 5, 3), lanes::TOMBSTONE.0, 0), Vec::new());
    hand(&mut replica, at(20), link, Body::Delta(author.delta(0))).unwrap();
    let before = State::of(&replica);
    assert_eq!(replica.frontier().version(&author.origin).0, 2);
    author.write(Author::key("default", epoch_at(3), 99, 0), vec![1]);
    hand(&mut replica, at(20), link, Body::Delta(author.delta(2))).unwrap();
    assert_eq!(State::of(&replica), before);
    assert!(
        poll_all(&mut replica, at(20), link)
            .iter()
            .any(|body| matches!(body, Body::Nack(refusal) if refusal.reason == "below_tombstone"))
    );
}

#[test]
fn a_link_that_can_not_go_on_is_refused_by_name() {
    let own = populated("n").origin().unwrap().clone();
    let beat = || Body::Heartbeat(proto::Heartbeat::default());
    let delta = |name: &str| proto::Delta {
        origin: Some(proto::Origin { node: name.to_owned(), incarnation: 1 }),
        ..Default::default()
    };
    let listed = |frontier: &[_]| vec![Body::Hello(open("p")), Body::FrontierUpdate(listing(frontier))];
    let later = |origin, version| proto::FrontierUpdate {
        number: 2,
        restart: false,
        ..listing(&[version_of(origin, version)])
    };
    let table: Vec<(&str, Vec<Body>, &str)> = vec![
        (
            "another cluster",
            vec![Body::Hello(proto::Hello { cluster: "prod".to_owned(), ..open("p") })],
            "wrong_cluster",
        ),
        (
            "a later protocol",
            vec![Body::Hello(proto::Hello { protocol_min: PROTOCOL + 1, protocol_max: PROTOCOL + 2, ..open("p") })],
            "unknown_protocol",
        ),
        (
            "no protocol",
            vec![Body::Hello(proto::Hello { protocol_min: 0, protocol_max: 0, ..open("p") })],
            "unknown_protocol",
        ),
        ("this node's name", vec![Body::Hello(open("n"))], "same_node"),
        ("a bad name", vec![Body::Hello(open("n n"))], "bad_name"),
        ("own future", listed(&[version_of(&own, 1_000)]), "own_future"),
        (
            "own future, later",
            vec![Body::Hello(open("p")), Body::FrontierUpdate(listing(&[])), Body::FrontierUpdate(later(&own, 99))],
            "own_future",
        ),
        ("before Open", vec![beat()], "out_of_turn"),
        ("a delta before Open", vec![Body::Delta(author().delta(0))], "out_of_turn"),
        ("another peer on the same link", vec![Body::Hello(open("p")), Body::Hello(open("q"))], "out_of_turn"),
        ("a delta of nobody", vec![Body::Hello(open("p")), Body::Delta(proto::Delta::default())], "bad_origin"),
        ("a delta of a bad name", vec![Body::Hello(open("p")), Body::Delta(delta("a/b"))], "bad_origin"),
        ("a run that minted nothing", listed(&[version_of(&origin("q", 0), 1)]), "bad_origin"),
    ];
    for (name, bodies, want) in table {
        let mut replica = populated("n");
        let before = State::of(&replica);
        replica.link_up(at(20), LinkId(1));
        let results: Vec<_> = bodies.into_iter().map(|body| hand(&mut replica, at(20), LinkId(1), body)).collect();
        let error = results.last().unwrap().clone().unwrap_err();
        assert_eq!(error.reason(), want, "{name}: {error}");
        replica.link_down(at(21), LinkId(1));
        assert_eq!(State::of(&replica), before, "{name}");
    }
}

/// Bodies may be added within a protocol version: a frame that holds nothing known is skipped once the peer is known.
#[test]
fn a_frame_without_a_known_body_is_skipped_after_open_and_refused_before() {
    let mut replica = populated("n");
    let before = State::of(&replica);
    replica.link_up(at(20), LinkId(1));
    let error = replica.handle_frame(at(20), LinkId(1), proto::Frame::default()).unwrap_err();
    assert_eq!(error.reason(), "unknown_frame");
    let link = link(&mut replica, at(20), 2, "p", Vec::new());
    // Field 90, length-delimited: a body of a later version.
    let later = proto::Frame::decode(&[0xd2, 0x05, 0x01, 0x00][..]).unwrap();
    replica.handle_frame(at(20), link, later).unwrap();
    let (_, status) = replica.links().last().unwrap();
    assert_eq!(status.counts.frames_unknown, 1);
    assert_eq!(State::of(&replica), before);
}

/// A delta postponed for its clock is tried again, less and less often, and taken once its time has come.
#[test]
fn a_pass_that_was_put_off_is_taken_when_its_time_has_come() {
    let mut cluster =
        crate::common::cluster::Cluster::empty(1, crate::common::cluster::Faults { delay_ms: 2, ..Default::default() });
    let ahead = cluster.start_off(crate::common::config("ahead"), 0);
    let behind = cluster.start_off(crate::common::config("behind"), 0);
    // Alone, its clock jumped two minutes ahead for one step, and was set right again.
    cluster.run(100);
    cluster.nodes[ahead].clock_off_ms = 120_000;
    cluster.with(ahead, |replica, now| replica.step(now, &field("default"), &input(1, 16)).unwrap());
    cluster.nodes[ahead].clock_off_ms = 0;
    cluster.connect_all();
    cluster.with(behind, |replica, now| replica.step(now, &field("default"), &input(2, 16)).unwrap());
    cluster.run(20_000);
    assert_eq!((cluster.count(ahead, &field("default")), cluster.count(behind, &field("default"))), (2, 1));
    let refused = cluster.nodes[behind].events.iter().filter(|event| matches!(event, Event::Refused(_))).count();
    assert!((2..=20).contains(&refused), "{refused} times in 20 s");
    cluster.run(120_000);
    cluster.assert_agreed();
    assert_eq!(cluster.count(behind, &field("default")), 2);
}

/// The refusal itself may be lost: the end of the refused delta, sent again, has it repeated, and is not looked at.
#[test]
fn a_lost_refusal_is_repeated_and_frames_that_straggle_are_not_staged() {
    let (mut replica, mut bad) = (ready("n"), author());
    let link = link(&mut replica, at(20), 1, "peer", Vec::new());
    let mut frames = bad.frames(0);
    frames[0].entries[0].version = 77;
    for round in 0..3 {
        for delta in &frames {
            hand(&mut replica, at(20 + round), link, Body::Delta(delta.clone())).unwrap();
        }
        let bodies = poll_all(&mut replica, at(20 + round), link);
        let refusals = bodies.iter().filter(|body| matches!(body, Body::Nack(_))).count();
        assert_eq!(refusals, 1, "round {round}");
        assert_eq!(replica.backlog(link).unwrap().staged_bytes, 0);
    }
    assert_eq!(replica.links().next().unwrap().1.counts.deltas_refused, 1);
    // The next delta is looked at.
    hand(&mut replica, at(30), link, Body::Delta(bad.delta(0))).unwrap();
    assert_eq!(replica.frontier().version(&bad.origin).0, 2);
}

/// A frame that lost nothing but the mark of the end is not waited for without end: the same frame sent again tells
/// (simulator, seed 5757).
#[test]
fn a_pass_whose_end_was_damaged_is_refused_and_comes_again() {
    let (mut replica, mut author) = (ready("n"), author());
    let link = link(&mut replica, at(20), 1, "peer", Vec::new());
    let frames = author.frames(0);
    let mut endless = frames.clone();
    let last = endless.last_mut().unwrap();
    (last.last, last.digest) = (false, Default::default());
    for delta in endless.iter().chain(&frames) {
        hand(&mut replica, at(21), link, Body::Delta(delta.clone())).unwrap();
    }
    let told = poll_all(&mut replica, at(22), link);
    assert!(told.iter().any(|body| matches!(body, Body::Nack(refusal) if refusal.reason == "inconsistent_frames")));
    for delta in author.frames(0) {
        hand(&mut replica, at(23), link, Body::Delta(delta)).unwrap();
    }
    assert_eq!(replica.frontier().version(&author.origin).0, author.version);
}

/// A damaged or lost batch does not stand in the way of its being sent again.
#[test]
fn a_dropped_batch_does_not_block_its_resend() {
    let (mut replica, mut author) = (ready("n"), author());
    let link = link(&mut replica, at(20), 1, "peer", Vec::new());
    let whole = author.frames(0);
    let mut damaged = author.frames(0);
    damaged[1].entries[0].value = vec![0].into();
    let lost = &author.frames(0)[..1];
    for frames in [&whole[..1], &damaged, lost] {
        for delta in frames {
            hand(&mut replica, at(20), link, Body::Delta(delta.clone())).unwrap();
        }
        assert_eq!(replica.frontier().version(&author.origin).0, 0);
    }
    for delta in author.frames(0) {
        hand(&mut replica, at(21), link, Body::Delta(delta)).unwrap();
    }
    assert_eq!(replica.frontier().version(&author.origin).0, 2);
    assert_eq!(replica.entries(&author.origin).count(), 2);
}

#[test]
fn a_frame_for_a_link_that_is_gone_is_ignored() {
    let mut replica = populated("n");
    let before = State::of(&replica);
    let link = craft::link(&mut replica, at(20), 1, "peer", Vec::new());
    replica.link_down(at(21), link);
    hand(&mut replica, at(22), link, Body::Delta(author().delta(0))).unwrap();
    assert_eq!(State::of(&replica), before);
    assert_eq!(replica.poll_frame(at(22), link), None);
}
