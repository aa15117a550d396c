//! Why a datagram was not opened.

use crate::key::KeyId;

/// How far the sender's clock may be from this node's, in either direction, on the way included.
pub(super) const FRESHNESS_MS: u64 = 60_000;

/// Why a datagram was refused. Nothing is kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It doesn't start as sealed datagrams do.
    #[error("the datagram is not sealed; its sender has no cluster key, or is no node of psi-field")]
    Unsealed,
    /// It starts as sealed datagrams do, but is cut, too long, or of a later version.
    #[error("the datagram is no sealed datagram of this version")]
    Malformed,
    /// No key of the ring has this id.
    #[error("the datagram is sealed by key {0}, which this node's key file lacks; give all nodes the same file")]
    UnknownKey(KeyId),
    /// It was changed on the way, or made without the key, or for another cluster.
    #[error(
        "the datagram claims to be sealed by key {0} for this cluster and is not: its sender has another cluster.name, or it was \
         forged or changed"
    )]
    Forged(KeyId),
    /// It was opened already, or is older than 1,024 others of its session.
    #[error("the datagram was received before; it was repeated on the way, or recorded and sent again")]
    Replayed,
    /// It was sent too long ago, or is yet to be sent.
    #[error(
        "the datagram was sent {} s {} by the clock of its sender; nodes whose clocks differ by more than {} s \
         don't hear each other, so let both follow a time server",
        .offset_ms.unsigned_abs().div_ceil(1_000),
        if *.offset_ms < 0 { "ago" } else { "ahead" },
        FRESHNESS_MS / 1_000
    )]
    Stale {
        /// The sender's clock less this node's: negative where the sender's is behind, or the datagram was recorded.
        offset_ms: i64,
    },
    /// Sessions were forgotten, and it is older than what was forgotten.
    #[error("the datagram is of a session that is not known, and may have been forgotten; later ones will be accepted")]
    Overflow,
}

impl Refusal {
    /// All reasons, for metrics.
    pub const REASONS: [&'static str; 7] =
        ["unsealed", "malformed", "unknown_key", "forged", "replayed", "stale", "overflow"];

    /// The reason in a word, for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unsealed => "unsealed",
            Self::Malformed => "malformed",
            Self::UnknownKey(_) => "unknown_key",
            Self::Forged(_) => "forged",
            Self::Replayed => "replayed",
            Self::Stale { .. } => "stale",
            Self::Overflow => "overflow",
        }
    }
}
