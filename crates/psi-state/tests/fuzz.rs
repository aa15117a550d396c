//! Whatever a peer sends, in any order, damaged or made up: nothing breaks, memory stays within bounds, what does not
//! add up changes nothing, and an honest delta is still taken. `PROPTEST_CASES=100000` for more of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::sync::{Mutex, MutexGuard, PoisonError};

mod common;

use common::{
    State, WALL_MS, at, cases,
    craft::{Author, Courier, open, origin_of, poll_all, populated},
    frame, ready,
};
use peak_alloc::PeakAlloc;
use proptest::{collection::vec, prelude::*, sample::Index};
use prost::Message;
use psi_replica::{FRAME_ENCODED_MAX, LinkId, PROTOCOL, decode_frame, proto, proto::frame::Body};
use psi_state::proto as values;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that a byte of a frame may cost while it is decoded and handled: an entry's value is there twice for a moment.
const BYTES_A_BYTE: usize = 3;
/// What may be taken beside that, whatever was sent: the answers, and lists of small things up to their limits, which
/// take more in memory than on the wire.
const BYTES_BESIDE: usize = 5 << 20;

/// Memory is counted for the whole process, so that one case runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers where arithmetic goes wrong, and some in between.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..6_u64,
        Just(WALL_MS),
        Just(WALL_MS * 1000),
        Just(u64::from(u32::MAX)),
        Just(1 << 63),
        (0..3_u64).prop_map(|less| u64::MAX - less),
        any::<u64>(),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let known =
        prop::sample::select(vec!["n", "other", "peer", "x", "default", "", "é", "a b"]).prop_map(str::to_owned);
    prop_oneof![4 => known, 1 => (0..200_usize).prop_map(|length| "x".repeat(length))]
}

fn origin() -> impl Strategy<Value = Option<proto::Origin>> {
    prop::option::weighted(0.9, (name(), number()).prop_map(|(node, incarnation)| proto::Origin { node, incarnation }))
}

fn bytes() -> impl Strategy<Value = bytes::Bytes> {
    prop_oneof![vec(any::<u8>(), 0..40), Just(vec![0; 32]), Just(vec![255; 70_000])].prop_map(Into::into)
}

fn entry() -> impl Strategy<Value = proto::Entry> {
    (name(), number(), 0..9_u32, number(), number(), bytes()).prop_map(|(field, epoch, lane, index, version, value)| {
        proto::Entry { field, epoch: Some(epoch), lane, index, version, value }
    })
}

/// How far a steady clock is ahead of its wall clock.
fn lead() -> impl Strategy<Value = i64> {
    prop_oneof![4 => Just(0), 2 => -100_000..100_000_i64, 1 => any::<i64>()]
}

fn opening() -> BoxedStrategy<Body> {
    let names = (prop_oneof![9 => Just("test".to_owned()), 1 => name()], name());
    let versions = prop_oneof![9 => Just((PROTOCOL, PROTOCOL)), 1 => any::<(u32, u32)>()];
    (names, number(), versions, (number(), lead()), any::<bool>())
        .prop_map(|((cluster, node), incarnation, versions, (wall_ms, steady_lead_ms), ready)| {
            let (protocol_min, protocol_max) = versions;
            Body::Hello(proto::Hello {
                cluster,
                node,
                incarnation,
                protocol_min,
                protocol_max,
                wall_ms,
                ready,
                steady_lead_ms,
            })
        })
        .boxed()
}

fn news() -> BoxedStrategy<Body> {
    let origins = vec(origin().prop_map(Option::unwrap_or_default), 0..6);
    let moves = (vec(number(), 0..12), vec(number(), 0..6));
    (number(), origins, moves, any::<bool>(), any::<bool>())
        .prop_map(|(number, origins, (moved, moved_by_one), restart, complete)| {
            Body::FrontierUpdate(proto::FrontierUpdate { number, origins, moved, restart, complete, moved_by_one })
        })
        .boxed()
}

/// An origin that may well be one.
fn likely_origin() -> impl Strategy<Value = proto::Origin> {
    let node = prop::sample::select(vec!["other", "peer", "x", "y"]).prop_map(str::to_owned);
    let incarnation = prop_oneof![3 => Just(WALL_MS * 1000), 1 => number()];
    (node, incarnation).prop_map(|(node, incarnation)| proto::Origin { node, incarnation })
}

/// News that a replica follows for as long as the numbers let it.
fn likely_news() -> BoxedStrategy<Body> {
    let moved = vec((0..4_u64, number()), 0..5);
    (1..4_u64, vec(likely_origin(), 0..4), moved, vec(0..3_u64, 0..4), any::<bool>(), any::<bool>())
        .prop_map(|(number, origins, moved, moved_by_one, restart, complete)| {
            let moved = moved.into_iter().flat_map(|(origin, by)| [origin, by]).collect();
            Body::FrontierUpdate(proto::FrontierUpdate { number, origins, moved, restart, complete, moved_by_one })
        })
        .boxed()
}

/// A delta that is wrong in its numbers or its digest only.
fn likely_pass() -> BoxedStrategy<Body> {
    let entry = (0..9_u32, number(), number(), number(), bytes()).prop_map(|(lane, epoch, index, version, value)| {
        proto::Entry { field: "default".to_owned(), epoch: Some(epoch), lane, index, version, value }
    });
    let numbers = (1..3_u64, number(), 0..3_u32);
    let digest = prop_oneof![Just(vec![0; 32]), vec(any::<u8>(), 32)];
    (likely_origin(), numbers, any::<bool>(), digest, vec(entry, 0..4))
        .prop_map(|(origin, (delta, version, index), last, digest, entries)| {
            let origin = Some(origin);
            Body::Delta(proto::Delta {
                origin,
                number: delta,
                base: 0,
                version,
                index,
                last,
                digest: digest.into(),
                entries,
            })
        })
        .boxed()
}

fn delta() -> BoxedStrategy<Body> {
    let numbers = (number(), number(), number(), prop_oneof![0..4_u32, any::<u32>()]);
    (origin(), numbers, any::<bool>(), bytes(), vec(entry(), 0..4))
        .prop_map(|(origin, (delta, base, version, index), last, digest, entries)| {
            Body::Delta(proto::Delta { origin, number: delta, base, version, index, last, digest, entries })
        })
        .boxed()
}

/// Anything that the protocol has a word for.
fn body() -> BoxedStrategy<Body> {
    let refusal = (origin(), number(), name(), name(), number()).prop_map(|(origin, delta, reason, detail, held)| {
        Body::Nack(proto::Nack { origin, number: delta, reason, detail, held })
    });
    let hashes = (number(), number(), number(), number(), number());
    let clocks = (number(), lead());
    let beat = (clocks, hashes, any::<bool>(), any::<bool>()).prop_map(|(clocks, hashes, ready, settled)| {
        let (wall_ms, steady_lead_ms) = clocks;
        let number = u64::from(ready);
        let (frontier_hash, digest, listing_hash, incarnation, checkpoint_hash) = hashes;
        Body::Heartbeat(proto::Heartbeat {
            wall_ms,
            frontier_hash,
            digest,
            ready,
            settled,
            listing_hash,
            incarnation,
            checkpoint_hash,
            checkpoint: number,
            base_digest: digest,
            steady_lead_ms,
        })
    });
    prop_oneof![
        1 => opening(),
        1 => news(),
        3 => likely_news(),
        1 => delta(),
        3 => likely_pass(),
        1 => (number(), any::<bool>()).prop_map(|(number, restart)| Body::FrontierAck(proto::FrontierAck { number, restart })),
        1 => number().prop_map(|number| Body::Ack(proto::Ack { number })),
        1 => refusal,
        1 => (origin(), number()).prop_map(|(origin, have)| Body::Pull(proto::Pull { origin, have })),
        1 => beat,
    ]
    .boxed()
}

/// A frame as it comes off the wire: whole, cut, with wrong bits, with an unknown body, or noise.
fn wire() -> BoxedStrategy<Vec<u8>> {
    let whole = || body().prop_map(|body| frame(body).encode_to_vec());
    let cut = (whole(), any::<Index>()).prop_map(|(mut bytes, end)| {
        bytes.truncate(end.index(bytes.len() + 1));
        bytes
    });
    let flipped = (whole(), vec(any::<Index>(), 1..4)).prop_map(|(mut bytes, bits)| {
        for bit in bits.into_iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        bytes
    });
    // Field 200, length-delimited.
    let unknown = vec(any::<u8>(), 0..100).prop_map(|noise| {
        let length = u8::try_from(noise.len()).expect("short");
        [vec![0xC2, 0x0C, length], noise].concat()
    });
    prop_oneof![6 => whole(), 1 => cut, 2 => flipped, 1 => unknown, 1 => vec(any::<u8>(), 0..300)].boxed()
}

/// Decodes and handles a frame, and answers; tells the greatest number of bytes that it took in passing.
fn handle(replica: &mut psi_state::Replica, tick: u64, link: LinkId, bytes: &[u8]) -> (usize, bool) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let went_on = match decode_frame(bytes.to_vec().into()) {
        Ok(frame) => replica.handle_frame(at(tick), link, frame).is_ok(),
        Err(_) => false,
    };
    if went_on {
        poll_all(replica, at(tick), link);
    }
    replica.tick(at(tick + 1));
    let _ = replica.wake_at();
    (MEMORY.peak_usage().saturating_sub(before), went_on)
}

/// An honest delta of an origin that was never heard of is taken, and no other change is seen.
fn check_honest_pass_is_taken(replica: &mut psi_state::Replica, before: &State, tick: u64) {
    let mut author = ready("honest");
    author.step(at(tick), &common::field("default"), &common::input(1, 16)).unwrap();
    author.flush();
    let known = replica.frontier().len();
    Courier::default().sync(&mut author, replica, at(tick));
    let own = author.origin().unwrap();
    assert_eq!(replica.frontier().version(own), author.frontier().version(own), "an honest delta is taken");
    assert_eq!(replica.frontier().len(), known + 1);
    let after = State::of(replica);
    assert!(before.entries.iter().all(|held| after.entries.contains(held)), "what was held is held still");
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn frames_that_do_not_add_up_change_nothing(
        opening in prop_oneof![
            6 => Just(Some(Body::Hello(open("peer")))),
            1 => prop::option::weighted(0.9, opening()),
        ],
        frames in vec(wire(), 1..12),
    ) {
        let _alone = alone();
        let mut replica = populated("n");
        let before = State::of(&replica);
        let link = LinkId(7);
        let mut tick = 50;
        replica.link_up(at(tick), link);
        let opening = opening.map(|body| frame(body).encode_to_vec());
        for bytes in opening.into_iter().chain(frames) {
            tick += 40;
            let (taken, went_on) = handle(&mut replica, tick, link, &bytes);
            prop_assert!(taken <= BYTES_A_BYTE * bytes.len() + BYTES_BESIDE, "{} bytes took {}", bytes.len(), taken);
            prop_assert_eq!(&State::of(&replica), &before);
            if !went_on {
                break;
            }
        }
        replica.link_down(at(tick + 2), link);
        replica.tick(at(tick + 3_000));
        check_honest_pass_is_taken(&mut replica, &before, tick + 3_001);
    }

    /// A delta that is cut, repeated, out of order or has wrong bits is taken as its origin wrote it or not at all.
    #[test]
    fn of_a_damaged_pass_nothing_is_taken_that_its_origin_did_not_write(
        damage in vec((any::<Index>(), any::<Index>(), 0..4_u8), 0..3),
        order in vec(any::<Index>(), 0..4),
    ) {
        let _alone = alone();
        let mut replica = populated("n");
        let known = State::of(&replica);
        let mut author = Author::new("peer");
        for lane in [2, 9] {
            let sums = values::MomentsValue { sums: vec![0, 0].into() };
            author.write(Author::key("default", 0, lane, 0), sums.encode_to_vec());
        }
        let honest: Vec<_> = author.entries.values().map(|entry| (author.origin.clone(), entry.clone())).collect();
        let mut frames: Vec<Vec<u8>> =
            author.frames(0).into_iter().map(|delta| frame(Body::Delta(delta)).encode_to_vec()).collect();
        for (which, bit, kind) in damage {
            let which = which.index(frames.len());
            let bit = bit.index(frames[which].len().max(1) * 8);
            match (kind, frames[which].get_mut(bit / 8)) {
                (0..2, Some(byte)) => *byte ^= 1 << (bit % 8),
                (2, _) => frames[which].truncate(bit / 8),
                _ => frames.push(frames[which].clone()),
            }
        }
        for place in order {
            let last = frames.len() - 1;
            frames.swap(place.index(last + 1), last);
        }
        let link = common::craft::link(&mut replica, at(50), 7, "peer", Vec::new());
        for bytes in frames {
            handle(&mut replica, 60, link, &bytes);
        }
        replica.link_down(at(70), link);
        let claimed = replica.frontier().version(&author.origin).0;
        prop_assert!([0, author.version].contains(&claimed), "claims version {}", claimed);
        for (origin, entry) in State::of(&replica).entries {
            let held = (origin, entry);
            prop_assert!(known.entries.contains(&held) || honest.contains(&held));
        }
        check_honest_pass_is_taken(&mut replica, &known, 3_000);
    }
}

/// The largest frames of the smallest messages. Before lists were counted, one took 138 MB.
#[test]
fn the_worst_frames_take_a_bounded_multiple_of_their_size() {
    let _alone = alone();
    let length = FRAME_ENCODED_MAX - 64;
    let empty = |number: u8| [(number << 3) | 2, 0].repeat(length / 2);
    let wrapped = |body: u8, inside: Vec<u8>| {
        let mut bytes = vec![(body << 3) | 2];
        prost::encoding::encode_varint(inside.len() as u64, &mut bytes);
        bytes.extend(inside);
        bytes
    };
    let packed = |number: u8| wrapped(number, vec![1; length - 8]);
    let some = |number: u8, count: usize| [(number << 3) | 2, 0].repeat(count);
    for (what, bytes) in [
        ("entries of a delta, as many as are allowed", wrapped(3, some(8, (1 << 20) / 48))),
        ("origins of news, as many as are allowed", wrapped(8, some(2, 4_096))),
        ("moves of news, as many as are allowed", wrapped(8, wrapped(3, vec![1; 8_192]))),
        ("entries of a delta", wrapped(3, empty(8))),
        ("origins of news", wrapped(8, empty(2))),
        ("moves of news", wrapped(8, packed(3))),
        ("single moves of news", wrapped(8, packed(6))),
        ("origin of a refusal", wrapped(5, empty(1))),
        ("empty bodies", empty(8)),
        ("unknown bodies", [0xC2, 0x0C, 0].repeat(length / 3)),
    ] {
        let mut replica = populated("n");
        let before = State::of(&replica);
        let link = common::craft::link(&mut replica, at(50), 7, "peer", vec![(origin_of("x"), 3)]);
        assert!(bytes.len() <= FRAME_ENCODED_MAX);
        let (taken, _) = handle(&mut replica, 60, link, &bytes);
        println!("{what}: {} bytes took {taken}", bytes.len());
        assert!(taken <= BYTES_A_BYTE * bytes.len() + BYTES_BESIDE, "{what}: {} bytes took {taken}", bytes.len());
        assert_eq!(State::of(&replica), before, "{what}");
        replica.link_down(at(70), link);
        check_honest_pass_is_taken(&mut replica, &before, 3_000);
    }
}
