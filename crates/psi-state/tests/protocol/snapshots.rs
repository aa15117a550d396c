//! Snapshots: what was flushed comes back to the last bit, in a run of its own, and whatever is not wholly what was
//! written is refused by name.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    State, WALL_MS, at, cases,
    cluster::{Cluster, FRAME_BYTES},
    config,
    craft::{Author, recent_value},
    field,
    history::{self, field_at},
    input, ready, shape,
};
use proptest::prelude::*;
use prost::Message;
use psi_engine::{Action, Parameters};
use psi_replica::{
    ClusterName, Config, Now, PROTOCOL, SNAPSHOT_LAYOUT, Snapshot, SnapshotError, TickMs, WallMs, proto,
};
use psi_state::{Replica, lanes};

fn small_frames(name: &str) -> Config {
    Config { frame_bytes: FRAME_BYTES, ..config(name) }
}

fn restored(name: &str, now: Now, bytes: &[u8]) -> Replica {
    Replica::restore(small_frames(name), now, bytes).unwrap()
}

/// The process of a node is gone, and starts again with what a snapshot holds.
fn restart(cluster: &mut Cluster, n: usize, bytes: &[u8]) {
    let (name, now) = (format!("n{n}"), cluster.now_of(n));
    cluster.kill(n);
    cluster.nodes[n].replica = restored(&name, now, bytes);
    cluster.nodes[n].alive = true;
    cluster.with(n, |replica, now| replica.tick(now));
    cluster.connect_all();
}

/// A replica with two fields and interventions, all flushed.
fn written() -> Replica {
    let mut replica = Replica::new(small_frames("n"), at(0));
    replica.tick(at(0));
    replica.create_field(at(1), &field("wide"), (shape(520), Parameters::default())).unwrap();
    for n in 0..4 {
        replica.step(at(2 + n), &field("default"), &input(n, 16)).unwrap();
        replica.step(at(2 + n), &field("wide"), &input(n, 520)).unwrap();
    }
    replica.intervene(at(7), &field("default"), Action::Nigredo).unwrap();
    replica.flush();
    replica
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn what_was_flushed_comes_back_to_the_last_bit(
        seed in any::<u64>(),
        faults in history::faults(),
        ops in history::history(3, 1..100),
    ) {
        let mut cluster = Cluster::ready(seed, 3, faults);
        history::play(&mut cluster, &ops);
        for node in &mut cluster.nodes {
            node.replica.flush();
            let bytes = node.replica.snapshot();
            let again = restored("other", at(0), &bytes);
            prop_assert_eq!(State::of(&again), State::of(&node.replica));
            for name in (0..3).map(field_at) {
                prop_assert_eq!(again.view(&name), again.view_from_entries(&name));
            }
            let rewritten = Replica::decode_snapshot(&ClusterName::new("test").unwrap(), &again.snapshot()).unwrap();
            prop_assert_eq!(rewritten.node(), "other");
        }
    }

    /// A node that crashed goes on from an older state of its own: the others know more of its last run than it does.
    #[test]
    fn a_crash_loses_only_what_nobody_else_had(
        seed in any::<u64>(),
        faults in history::faults(),
        before in history::history(3, 1..40),
        between in history::history(3, 0..40),
        after in history::history(3, 0..40),
    ) {
        let mut cluster = Cluster::ready(seed, 3, faults);
        history::play(&mut cluster, &before);
        let bytes = cluster.nodes[1].replica.snapshot();
        let kept = cluster.nodes[1].replica.frontier().clone();
        history::play(&mut cluster, &between);
        let first_run = cluster.origin(1);
        restart(&mut cluster, 1, &bytes);
        cluster.quiet(15_000);
        prop_assert!(cluster.origin(1).incarnation > first_run.incarnation);
        history::play(&mut cluster, &after);
        cluster.quiet(90_000);
        cluster.assert_agreed();
        for node in cluster.living() {
            prop_assert!(node.replica.frontier().covers(&kept));
        }
    }

    /// All nodes are gone at once: what each had in its snapshot is what all have.
    #[test]
    fn a_whole_cluster_that_restarts_keeps_what_any_snapshot_holds(
        seed in any::<u64>(),
        faults in history::faults(),
        ops in history::history(3, 1..60),
        more in history::history(3, 0..30),
    ) {
        let mut cluster = Cluster::ready(seed, 3, faults);
        history::play(&mut cluster, &ops);
        let kept: Vec<_> = (0..3).map(|n| cluster.with(n, |replica, _| {
            replica.flush();
            (replica.snapshot(), replica.frontier().clone())
        })).collect();
        history::play(&mut cluster, &more);
        (0..3).for_each(|n| cluster.kill(n));
        kept.iter().enumerate().for_each(|(n, (bytes, _))| restart(&mut cluster, n, bytes));
        cluster.quiet(90_000);
        cluster.assert_agreed();
        for (_, frontier) in &kept {
            prop_assert!(cluster.nodes[0].replica.frontier().covers(frontier));
        }
    }
}

#[test]
fn what_waits_for_a_flush_is_not_in_it() {
    let mut replica = written();
    let flushed = State::of(&replica);
    replica.step(at(20), &field("default"), &input(9, 16)).unwrap();
    assert_eq!(State::of(&restored("n", at(21), &replica.snapshot())), flushed);
}

#[test]
fn the_same_state_is_the_same_bytes_whole_or_in_parts() {
    let mut replica = written();
    let whole = replica.snapshot();
    assert_eq!(replica.snapshot(), whole);
    let (mut encoder, mut parts) = replica.begin_snapshot();
    let origin = replica.origin().unwrap().clone();
    let mut frozen = replica.freeze(&origin).unwrap();
    // What is written while the parts are taken belongs to the next snapshot.
    replica.step(at(20), &field("default"), &input(9, 16)).unwrap();
    replica.flush();
    let mut count = 0;
    while let Some(part) = encoder.origin_part(&mut frozen) {
        assert!(part.len() < FRAME_BYTES + 70_000, "a part is a frame: {} bytes", part.len());
        parts.extend(part);
        count += 1;
    }
    parts.extend(encoder.end());
    assert!(count > 3, "{count} parts");
    assert_eq!(parts, whole);
}

#[test]
fn an_empty_replica_has_a_snapshot_too() {
    let empty = Replica::new(config("n"), at(0));
    let again = restored("n", at(0), &empty.snapshot());
    assert_eq!(State::of(&again), State::of(&empty));
}

/// Neither an incarnation nor a clock is given out twice, though the wall clock has fallen back by a day since.
#[test]
fn a_restored_node_goes_on_after_its_earlier_self_whatever_the_clock_says() {
    let day = 86_400_000;
    let ahead = |tick| Now { tick: TickMs(tick), wall: WallMs(WALL_MS + day + tick) };
    let mut early = Replica::new(config("n"), ahead(0));
    early.tick(ahead(0));
    let written = early.step(ahead(5), &field("default"), &input(1, 16)).unwrap();
    early.flush();
    let mut late = restored("n", at(0), &early.snapshot());
    assert_eq!(late.origin(), None, "it joins like any other");
    late.tick(at(1));
    let step = late.step(at(2), &field("default"), &input(2, 16)).unwrap();
    assert!(step.origin > written.origin, "{} after {}", step.origin, written.origin);
    assert!(step.clock > written.clock);
    assert_eq!(step.k, 2);
}

/// The run ended before it wrote anything, so that no entry tells of it.
#[test]
fn a_run_that_wrote_nothing_is_not_repeated_either() {
    let early = ready("n");
    let bytes = early.snapshot();
    let mut late = restored("n", at(0), &bytes);
    late.tick(at(0));
    assert!(late.origin() > early.origin(), "{:?} after {:?}", late.origin(), early.origin());
    let mut namesake = restored("other", at(0), &bytes);
    namesake.tick(at(0));
    assert_eq!(namesake.origin().unwrap().incarnation, WALL_MS * 1000, "another node's runs do not concern it");
}

#[test]
fn a_joiner_is_not_ready_because_it_has_a_snapshot() {
    let bytes = written().snapshot();
    let mut joiner = Replica::restore(Config { is_seed: false, ..config("n") }, at(0), &bytes).unwrap();
    joiner.tick(at(1_000_000));
    let why = joiner.readiness().for_writing().unwrap_err().to_string();
    assert!(why.contains("no ready member"), "{why}");
}

/// Lanes and fields of a later version stay as they were written.
#[test]
fn what_this_version_does_not_know_is_kept_as_it_was_written() {
    let mut author = Author::new("later");
    let mut spec = crate::common::craft::spec_value(WALL_MS, 3);
    // Field 200, a varint: no message of this version has it.
    spec.extend([0xC0, 0x0C, 0x07]);
    let epoch = crate::common::craft::epoch_of(WALL_MS, 3);
    author.write(Author::key("f", epoch, lanes::SPEC.0, 0), spec);
    author.write(Author::key("f", epoch, 77, 5), vec![0xFF; 9]);
    let replica = restored("n", at(0), &crafted(&header("test"), &[author.delta(0)]));
    let again = restored("n", at(0), &replica.snapshot());
    let entries: Vec<_> = again.entries(&author.origin).collect();
    assert_eq!(entries, author.entries.values().cloned().collect::<Vec<_>>());
}

fn header(cluster: &str) -> proto::SnapshotHeader {
    proto::SnapshotHeader { cluster: cluster.to_owned(), node: "n".to_owned(), protocol: PROTOCOL, incarnation: 0 }
}

/// A snapshot by hand, with the checksum that its bytes have.
fn crafted(header: &proto::SnapshotHeader, deltas: &[proto::Delta]) -> Vec<u8> {
    let deltas = deltas.iter().flat_map(Message::encode_length_delimited_to_vec);
    sealed(SNAPSHOT_LAYOUT, header.encode_length_delimited_to_vec().into_iter().chain(deltas))
}

fn sealed(layout: u32, body: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let mut bytes = [b"psisnap\n".as_slice(), &layout.to_le_bytes()].concat();
    bytes.extend(body);
    let checksum = blake3_of(&bytes);
    bytes.extend(checksum);
    bytes
}

fn blake3_of(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn decode(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    Replica::decode_snapshot(&ClusterName::new("test").unwrap(), bytes)
}

fn author(name: &str) -> Author {
    let mut author = Author::new(name);
    author.write(Author::key("default", 0, lanes::RECENT.0, 0), recent_value(WALL_MS));
    author.write(Author::key("default", 0, 99, 1), vec![1, 2, 3]);
    author
}

#[test]
fn whatever_a_peer_could_not_send_is_refused_by_name() {
    let [a, b] = ["a", "b"].map(|name| author(name).delta(0));
    let good = crafted(&header("test"), &[a.clone(), b.clone()]);
    let read = decode(&good).unwrap();
    assert_eq!((read.node(), read.origins(), read.entries()), ("n", 2, 4));
    let changed = |change: fn(&mut proto::Delta)| {
        let mut delta = a.clone();
        change(&mut delta);
        crafted(&header("test"), &[delta])
    };
    let frames = author("a").frames(0);
    let at_odds = [frames[0].clone(), proto::Delta { version: 9, ..frames[1].clone() }];
    let noise = sealed(1, [header("test").encode_length_delimited_to_vec(), vec![2, 0xFF, 0xFF]].concat());
    let later = proto::SnapshotHeader { protocol: PROTOCOL + 1, ..header("test") };
    let mut wrong_value = author("a");
    wrong_value.write(Author::key("default", 0, lanes::RECENT.0, 0), vec![0xFF]);
    for (name, bytes, reason, says) in [
        ("another cluster", crafted(&header("prod"), &[]), "wrong_cluster", "cluster `prod`, this node to `test`"),
        ("later layout", sealed(SNAPSHOT_LAYOUT + 1, []), "from_future", "layout version 2, this one reads up to 1"),
        ("later protocol", crafted(&later, &[]), "from_future", "protocol version 2, this one reads up to 1"),
        ("layout 0", sealed(0, []), "malformed", "layout version 0"),
        ("another file", b"#!/bin/sh\nexit 0\n".to_vec(), "not_a_snapshot", "does not begin with"),
        ("nothing", Vec::new(), "truncated", "0 bytes, the shortest snapshot has 44"),
        ("no header", sealed(1, []), "malformed", "header"),
        ("a header of noise", sealed(1, [3, 0xFF, 0xFF, 0xFF]), "malformed", "header"),
        ("a part twice", crafted(&header("test"), &[a.clone(), a.clone()]), "malformed", "out of order"),
        ("out of order", crafted(&header("test"), &[b.clone(), a.clone()]), "malformed", "out of order"),
        ("a frame short", crafted(&header("test"), &frames[..1]), "malformed", "a part of an origin is missing"),
        ("noise after it", noise, "malformed", "a part of it is no Delta"),
        ("another's frame", crafted(&header("test"), &[frames[0].clone(), b]), "malformed", "is missing"),
        ("frames at odds", crafted(&header("test"), &at_odds), "inconsistent_frames", "contradict"),
        ("no origin", changed(|delta| delta.origin = None), "bad_origin", "names no origin"),
        ("another base", changed(|delta| delta.base = 1), "malformed", "not of a delta from version 0"),
        ("another number", changed(|delta| delta.number = 2), "malformed", "not of a delta from version 0"),
        ("version 0", changed(|delta| delta.version = 0), "empty_delta", "what it holds of a@"),
        ("a later version", changed(|delta| delta.version += 1), "version_unwritten", "claims version 3"),
        ("an entry less", changed(|delta| delta.entries.truncate(1)), "digest_mismatch", "do not add up"),
        ("a bit of a value", changed(|delta| delta.entries[1].value = vec![1, 2, 2].into()), "digest_mismatch", ""),
        ("no digest", changed(|delta| delta.digest = Vec::new().into()), "digest_length", ""),
        ("a key twice", changed(|delta| delta.entries.push(delta.entries[0].clone())), "duplicate_key", ""),
        ("a bad name", changed(|delta| delta.entries[0].field = "a b".into()), "bad_name", ""),
        ("a bad value", crafted(&header("test"), &[wrong_value.delta(0)]), "bad_value", "LANE_RECENT"),
    ] {
        let error = decode(&bytes).expect_err(name);
        assert_eq!(error.reason(), reason, "{name}: {error}");
        assert!(error.to_string().contains(says), "{name}: {error}");
    }
}

#[test]
fn cut_short_anywhere_it_is_refused() {
    let bytes = written().snapshot();
    for length in (0..bytes.len()).rev().step_by(7).chain(0..64) {
        let error = decode(&bytes[..length]).unwrap_err();
        assert!(matches!(error.reason(), "truncated" | "checksum"), "{length} bytes: {error}");
    }
}

#[test]
fn a_bit_flipped_anywhere_it_is_refused() {
    let mut bytes = written().snapshot();
    let every = if bytes.len() > 20_000 { 13 } else { 1 };
    for at in (0..bytes.len()).filter(|at| *at < 64 || at % every == 0) {
        let bit = 1 << (at % 8);
        bytes[at] ^= bit;
        let error = decode(&bytes).unwrap_err();
        assert!(
            matches!((at, error.reason()), (0..8, "not_a_snapshot") | (8..12, "from_future") | (_, "checksum")),
            "byte {at}: {error}"
        );
        bytes[at] ^= bit;
    }
    decode(&bytes).unwrap();
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode(&bytes).is_err());
        // With the right frame around them, noise gets as far as it can; the header of nothing is of no cluster.
        prop_assert!(decode(&sealed(SNAPSHOT_LAYOUT, bytes)).is_err());
    }

    /// Damage that the checksum does not show, as from a broken program: refused, or what it leads to is well formed.
    #[test]
    fn damage_beneath_the_checksum_is_refused_or_harmless(
        seed in any::<u64>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut replica = ready("n");
        replica.step(at(3), &field("default"), &input(seed, 16)).unwrap();
        replica.intervene(at(4), &field("default"), Action::Albedo).unwrap();
        replica.flush();
        let mut bytes = replica.snapshot();
        let body = 12..bytes.len() - 32;
        for (place, byte) in changes {
            bytes[body.start + place.index(body.len())] = byte;
        }
        let bytes = sealed(SNAPSHOT_LAYOUT, bytes[body].to_vec());
        if let Ok(again) = Replica::restore(config("n"), at(10), &bytes) {
            for name in again.field_names() {
                prop_assert_eq!(again.view(&name), again.view_from_entries(&name));
            }
            prop_assert_eq!(again.digest(), replica.digest(), "every bit of an entry is in the digest");
        }
    }
}
