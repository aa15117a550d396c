//! Datagrams of chitchat's format made by hand, right and wrong.

use std::net::{IpAddr, SocketAddr};

pub(super) const CLUSTER: &str = "psi-field";

pub(super) fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    [&length.to_le_bytes()[..], text.as_bytes()].concat()
}

pub(super) fn id(node: &str, generation: u64, address: &str) -> Vec<u8> {
    let address: SocketAddr = address.parse().expect("an address");
    let ip = match address.ip() {
        IpAddr::V4(ip) => [&[4][..], &ip.octets()].concat(),
        IpAddr::V6(ip) => [&[6][..], &ip.octets()].concat(),
    };
    [text(node), generation.to_le_bytes().to_vec(), ip, address.port().to_le_bytes().to_vec()].concat()
}

/// The id of a run, and its heartbeat, last collected version and greatest version.
pub(super) fn run(node: &str, counters: [u64; 3]) -> Vec<u8> {
    [id(node, 7, "127.0.0.1:9"), counters.map(u64::to_le_bytes).concat()].concat()
}

/// A digest in the older form.
pub(super) fn digest(runs: &[Vec<u8>]) -> Vec<u8> {
    [&u16::try_from(runs.len()).expect("a few").to_le_bytes()[..], &runs.concat()].concat()
}

/// A stream of one block that is not compressed.
pub(super) fn stream(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a short block").to_le_bytes();
    [&[2][..], &length, bytes, &[0]].concat()
}

/// The operation that begins a run in a delta.
pub(super) fn about(node: &str) -> Vec<u8> {
    [&[0][..], &id(node, 7, "127.0.0.1:9"), &[0; 16]].concat()
}

pub(super) fn fact(key: &str, value: &str, version: u64) -> Vec<u8> {
    [&[1][..], &text(key), &text(value), &version.to_le_bytes(), &[0]].concat()
}

/// The operation that sets the version of a run without facts.
pub(super) fn version(version: u64) -> Vec<u8> {
    [&[2][..], &version.to_le_bytes()].concat()
}

/// A message of a version and kind.
pub(super) fn message(version: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    [&[0x53, 0xb0, version, kind][..], body].concat()
}

pub(super) fn syn(cluster: &str, runs: &[Vec<u8>]) -> Vec<u8> {
    message(0, 0, &[digest(runs), text(cluster)].concat())
}

pub(super) fn syn_ack(runs: &[Vec<u8>], operations: &[Vec<u8>]) -> Vec<u8> {
    message(0, 1, &[digest(runs), stream(&operations.concat())].concat())
}

pub(super) fn ack(operations: &[Vec<u8>]) -> Vec<u8> {
    message(0, 2, &stream(&operations.concat()))
}

/// An answer whose delta has as many blocks as fit a datagram, each of which unpacks to 65,520 bytes of tiny facts.
pub(super) fn bomb() -> Vec<u8> {
    let block = fact("", "", 1).repeat(4_680);
    let packed = zstd::bulk::compress(&block, 19).expect("it can be compressed");
    let length = u16::try_from(packed.len()).expect("it is short").to_le_bytes();
    let block = [&[1][..], &length, &packed].concat();
    message(1, 2, &[block.repeat(65_500 / block.len()), vec![0]].concat())
}
