//! Each rule and limit, and datagrams of chitchat that were damaged at random.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::cluster::transport::{
    blocks::{BLOCKS_MAX, UNPACKED_MAX},
    craft::{CLUSTER, about, ack, bomb, digest, fact, message, run, stream, syn, syn_ack, text, version},
    rig::captured,
};

#[test]
fn what_chitchat_writes_passes() {
    let runs = [run("n1", [1, 0, 9]), run("n2", [u64::MAX / 2, 3, 9])];
    let facts = [about("n1"), fact("ready", "1", 1), fact("agree", "ab", 9), about("n2"), version(4)];
    for bytes in [
        syn(CLUSTER, &[]),
        syn(CLUSTER, &runs),
        syn_ack(&runs, &facts),
        ack(&facts),
        message(0, 2, &[0]),
        message(1, 0, &[stream(&runs.concat()), text(CLUSTER)].concat()),
        message(0, 3, &[]),
    ] {
        Datagram::parse(&bytes).unwrap_or_else(|error| panic!("{bytes:?}: {error}"));
    }
}

#[test]
fn what_breaks_a_rule_is_named() {
    let one = run("n1", [1, 1, 1]);
    let mut no_address = run("n1", [1, 1, 1]);
    no_address[12] = 5;
    let facts = |operations: &[Vec<u8>]| ack(&[&[about("n1")][..], operations].concat());
    for (bytes, reason) in [
        (vec![], "not_gossip"),
        (b"GET / HTTP/1.1".to_vec(), "not_gossip"),
        (message(2, 0, &digest(&[])), "not_gossip"),
        (message(0, 4, &[]), "not_gossip"),
        (message(0, 0, &digest(&[])), "malformed"),
        (message(0, 0, &[5, 0]), "malformed"),
        (message(0, 3, &[0]), "malformed"),
        ([syn(CLUSTER, &[]), vec![0]].concat(), "malformed"),
        (syn(CLUSTER, &[no_address]), "malformed"),
        (syn(CLUSTER, &[run("n1", [u64::MAX, 1, 1])]), "malformed"),
        (syn("psi field", &[]), "bad_name"),
        (syn("\u{1}7", &[]), "bad_name"),
        (syn(CLUSTER, &[run("", [1, 1, 1])]), "bad_name"),
        (syn(CLUSTER, &[run(".n", [1, 1, 1])]), "bad_name"),
        (syn(CLUSTER, &[run(&"n".repeat(65), [1, 1, 1])]), "too_large"),
        (syn(CLUSTER, &[run(&"n".repeat(32_000), [1, 1, 1])]), "too_large"),
        (syn(CLUSTER, &vec![run("n", [1, 1, 1]); MEMBERS_MAX + 1]), "too_large"),
        (message(1, 0, &[&[1, 1, 0, 0, 0][..], &text(CLUSTER)[..]].concat()), "malformed"),
        (message(1, 0, &[&[3, 0, 0, 0][..], &text(CLUSTER)[..]].concat()), "malformed"),
        (syn_ack(&[one], &[fact("ready", "1", 1)]), "malformed"),
        (facts(&[vec![3]]), "malformed"),
        (facts(&[about("n1")]), "malformed"),
        (facts(&[fact("é", "1", 1)]), "bad_name"),
        (facts(&[fact("a\n", "1", 1)]), "bad_name"),
        (facts(&[fact("", "1", 1)]), "bad_name"),
        (facts(&[fact(&"k".repeat(65), "1", 1)]), "too_large"),
        (facts(&[fact("ready", &"v".repeat(1025), 1)]), "too_large"),
        (facts(&[fact("ready", "1", 0)]), "malformed"),
        (facts(&[fact("ready", "1", 5), fact("run", "1", 5)]), "malformed"),
        (facts(&[fact("ready", "1", u64::MAX)]), "malformed"),
        // chitchat decodes these two, and panics.
        (facts(&[fact("ready", "1", 5), version(4)]), "malformed"),
        (facts(&[version(4), fact("ready", "1", 5)]), "malformed"),
        (bomb(), "too_large"),
    ] {
        let error = Datagram::parse(&bytes).err();
        let got = error.as_ref().map(|error| DatagramError::REASONS[error.index()]);
        assert_eq!(got, Some(reason), "{error:?} of {:?}", &bytes[..bytes.len().min(80)]);
    }
}

#[test]
fn blocks_unpack_to_their_limit_and_no_further() {
    let zeros = |count| zstd::bulk::compress(&vec![0; count], 1).expect("it can be compressed");
    let block = |count| {
        let packed = zeros(count);
        [&[1][..], &u16::try_from(packed.len()).expect("it is short").to_le_bytes(), &packed].concat()
    };
    let unpacked = |blocks: Vec<Vec<u8>>| {
        let stream = [blocks.concat(), vec![0]].concat();
        unpack(&mut Reader::new(&stream), &mut UnpackBudget::new()).map(|bytes| bytes.len())
    };
    let most = UNPACKED_MAX / 8;
    let full = |last: usize| [vec![block(most - 1); 8], vec![block(last)]].concat();
    assert_eq!(unpacked(full(8)), Ok(UNPACKED_MAX));
    assert!(matches!(unpacked(full(9)), Err(DatagramError::Many { limit: UNPACKED_MAX, .. })));
    assert_eq!(unpacked(vec![block(1); BLOCKS_MAX]), Ok(BLOCKS_MAX));
    assert!(matches!(unpacked(vec![block(1); BLOCKS_MAX + 1]), Err(DatagramError::Many { limit: BLOCKS_MAX, .. })));
    assert_eq!(unpacked(vec![block(65_536)]), Err(DatagramError::Malformed("block")), "chitchat unpacks no more");
}

#[test]
fn a_datagram_is_cut_to_what_passes() {
    let runs = [run("n1", [1, 2, 3]), run("n2", [1, 2, 3])];
    let facts = [about("n1"), fact("ready", "1", 1), fact("new", "1", 2), about("n2"), version(4)];
    let all = syn_ack(&runs, &facts);
    let in_blocks = message(1, 1, &[stream(&runs.concat()), stream(&facts.concat())].concat());
    for bytes in [all, in_blocks] {
        let datagram = Datagram::parse(&bytes).expect("it is right");
        let same = datagram.filtered(|_| true, |_| true);
        let again = Datagram::parse(&same).expect("it is right");
        assert_eq!((contents(&again), again.version), (contents(&datagram), datagram.version));
        let cut = datagram.filtered(|id| id == &runs[1][..runs[1].len() - COUNTERS_BYTES], |key| key == b"ready");
        let cut = Datagram::parse(&cut).expect("it is right");
        let left = [about("n1"), fact("ready", "1", 1), about("n2"), version(4)].concat();
        assert_eq!(contents(&cut), (runs[1].clone(), left));
    }
    let first = syn(CLUSTER, &runs);
    let cut = Datagram::parse(&first).expect("it is right").filtered(|_| false, |_| true);
    assert_eq!(cut, syn(CLUSTER, &[]));
}

/// A datagram's digest and delta, unpacked.
fn contents(datagram: &Datagram) -> (Vec<u8>, Vec<u8>) {
    let digest = datagram.digest.as_ref().map(|digest| digest.bytes.clone());
    let delta = datagram.delta.as_ref().map(|delta| delta.bytes.clone());
    (digest.unwrap_or_default(), delta.unwrap_or_default())
}

/// The same message with blocks that are not compressed, so that damage gets behind them.
fn uncompressed(bytes: &[u8]) -> Vec<u8> {
    let datagram = Datagram::parse(bytes).expect("it is right");
    let (runs, facts) = contents(&datagram);
    let cluster = datagram.cluster.map(text).unwrap_or_default();
    let delta = datagram.delta.map(|_| stream(&facts)).unwrap_or_default();
    message(1, datagram.kind, &[datagram.digest.map(|_| stream(&runs)).unwrap_or_default(), cluster, delta].concat())
}

/// One of the datagrams, damaged in a few places.
pub(in crate::cluster::transport) fn damaged(datagrams: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = datagrams[random.random_range(0..datagrams.len())].clone();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=bytes.len());
        let end = bytes.len().min(at + random.random_range(1..9));
        match random.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..at, (0..random.random_range(1..9)).map(|_| 0xff))),
            2 => drop(bytes.drain(at..end)),
            3 => bytes[at..end].fill(if random.random() { 0xff } else { 0 }),
            4 => {
                let other = &datagrams[random.random_range(0..datagrams.len())];
                let from = random.random_range(0..other.len());
                drop(bytes.splice(at..end, other[from..other.len().min(from + 64)].iter().copied()));
            }
            _ => bytes[at..end].iter_mut().for_each(|byte| *byte ^= 1 << random.random_range(0..8)),
        }
    }
    bytes
}

/// Messages of chitchat, compressed and not.
pub(in crate::cluster::transport) async fn seeds() -> Vec<Vec<u8>> {
    let captured = captured().await;
    let plain: Vec<Vec<u8>> = captured.iter().map(|bytes| uncompressed(bytes)).collect();
    [captured, plain].concat()
}

async fn damage(count: usize) {
    let (seeds, mut random) = (seeds().await, StdRng::seed_from_u64(7));
    let mut passed = 0;
    for _ in 0..count {
        let bytes = damaged(&seeds, &mut random);
        if let Ok(datagram) = Datagram::parse(&bytes) {
            passed += 1;
            let again = datagram.filtered(|_| true, |_| true);
            assert!(Datagram::parse(&again).is_ok(), "{bytes:?}");
        }
    }
    assert!(passed > count / 100 && passed < count / 2, "{passed} of {count} passed");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_refused_or_harmless() {
    damage(10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; run it after a change of what a datagram must satisfy"]
async fn damage_is_refused_or_harmless_a_million_times() {
    damage(1_000_000).await;
}
