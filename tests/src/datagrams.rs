//! Datagrams of gossip made by hand, as chitchat encodes them: what strangers may send.

/// A text after its length.
fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    [&length.to_le_bytes()[..], text.as_bytes()].concat()
}

/// A run of a node, as chitchat encodes it.
///
/// # Panics
/// If the name is longer than a datagram.
#[must_use]
pub fn id(node: &str, generation: u64) -> Vec<u8> {
    [&text(node)[..], &generation.to_le_bytes(), &[4, 127, 0, 0, 1, 9, 0]].concat()
}

/// A message of chitchat in its older form: 0 begins an exchange, 1 answers, 2 ends it.
#[must_use]
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[0x53, 0xb0, 0, kind][..], body].concat()
}

/// Runs, with a heartbeat that is the same for all.
///
/// # Panics
/// If there are more than a datagram has.
#[must_use]
pub fn digest(ids: &[Vec<u8>], heartbeat: u64) -> Vec<u8> {
    let counters = [heartbeat, 0, 0].map(u64::to_le_bytes).concat();
    let runs: Vec<u8> = ids.iter().flat_map(|id| [&id[..], &counters].concat()).collect();
    [&u16::try_from(ids.len()).expect("a few").to_le_bytes()[..], &runs].concat()
}

/// A first message with these runs. Its receiver answers with those that it knows.
#[must_use]
pub fn syn(ids: &[Vec<u8>], heartbeat: u64) -> Vec<u8> {
    message(0, &[digest(ids, heartbeat), text("psi-field")].concat())
}

/// A delta that sets a fact of each run, at this version of the run.
///
/// # Panics
/// If all of it takes more than a block.
#[must_use]
pub fn delta(ids: &[Vec<u8>], key: &str, value: &str, version: u64) -> Vec<u8> {
    let fact = [&[1][..], &text(key), &text(value), &version.to_le_bytes(), &[0]].concat();
    let operations: Vec<u8> = ids.iter().flat_map(|id| [&[0][..], id, &[0; 16], &fact].concat()).collect();
    let length = u16::try_from(operations.len()).expect("one block").to_le_bytes();
    [&[2][..], &length, &operations, &[0]].concat()
}
