//! Sealed gossip: datagrams that only nodes with the cluster key can read or make.
//!
//! ```text
//! magic 4 | key id 8 | session 16 | counter 8 | part 1 | ChaCha20-Poly1305(sent at, in ms 8 | payload) | tag 16
//! ```
//!
//! Numbers are big-endian. What stands before the cipher text is authenticated too. A [`Sealer`] has a session of its
//! own, and a session has a key of its own, so a counter is a nonce that no two datagrams share. An [`Opener`] accepts
//! a datagram at most once. The first of a session must have been sent within a minute; those after it may be by a clock
//! that was set meanwhile.
//!
//! What this leaves out: an opener that was just made knows no session, so it accepts what was sent in the minute
//! before. A datagram says nothing of its receiver: on the way it can be turned to another node of the cluster, or back
//! to its sender, and of a session that is known it may come late. A payload that is longer than a datagram goes in two,
//! and is lost with either.

mod datagram;
mod halves;
mod opener;
mod refusal;
mod sealer;
mod sessions;
#[cfg(test)]
mod tests;

pub use datagram::{DATAGRAM_BYTES_MAX, OVERHEAD_BYTES, PART_BYTES_MAX, PAYLOAD_BYTES_MAX};
pub use opener::{Message, Opener};
pub use refusal::Refusal;
pub use sealer::{SealError, Sealer};
