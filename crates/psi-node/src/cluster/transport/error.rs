//! Why a datagram is dropped, or cut.

use psi_replica::NameError;
use psi_security::seal::Refusal as SealRefusal;

/// Why a datagram is dropped, or cut to what there is room for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DatagramError {
    #[error("it does not begin as gossip of this program does")]
    NotGossip,
    #[error("it breaks off")]
    Short,
    #[error("{0} bytes follow its end")]
    TrailingBytes(usize),
    #[error("its {0} can't be read")]
    Malformed(&'static str),
    #[error("a counter in it is {0}, above 2^63: no node counts that far")]
    Counter(u64),
    #[error("a {what} in it has {length} bytes, and may have {limit}")]
    Long { what: &'static str, length: usize, limit: usize },
    #[error("it has more than {limit} {what}")]
    Many { what: &'static str, limit: usize },
    #[error("in it, {0}")]
    Name(#[from] NameError),
    #[error("the key of a fact in it is not printable ASCII")]
    Key,
    #[error("it is of another cluster; check cluster.name and cluster.seeds there")]
    OtherCluster,
    #[error("it names members that there is no room for: {limit} runs of nodes are remembered at most")]
    MembersFull { limit: usize },
    #[error("it has facts of other names than there is room for: {limit} beside those of this version")]
    FactsFull { limit: usize },
    #[error("{0}")]
    Sealed(SealRefusal),
    #[error("chitchat can't decode it; this is a bug, please report it")]
    Undecodable,
}

impl DatagramError {
    /// Every reason.
    pub(super) const REASONS: [&str; 13] = [
        "not_gossip",
        "malformed",
        "too_large",
        "bad_name",
        "other_cluster",
        "no_room",
        "undecodable",
        "unsealed",
        "unknown_key",
        "forged",
        "replayed",
        "stale",
        "overflow",
    ];

    /// The place of its reason in [`Self::REASONS`].
    pub(super) fn index(&self) -> usize {
        match self {
            Self::NotGossip => 0,
            Self::Short | Self::TrailingBytes(_) | Self::Malformed(_) | Self::Counter(_) => 1,
            Self::Long { .. } | Self::Many { .. } => 2,
            Self::Name(_) | Self::Key => 3,
            Self::OtherCluster => 4,
            Self::MembersFull { .. } | Self::FactsFull { .. } => 5,
            Self::Undecodable => 6,
            Self::Sealed(refusal) => {
                let place = Self::REASONS.iter().position(|reason| *reason == refusal.reason());
                place.unwrap_or(1)
            }
        }
    }
}
