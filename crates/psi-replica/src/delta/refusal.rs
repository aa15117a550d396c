//! Why something that a peer sent was refused. In every case nothing was changed by it.

use std::fmt;

use crate::entry::{
    InvalidValue, KeyError, VALUE_BYTES_MAX,
    key::Key,
    name::{ClusterName, NameError, NodeId},
    origin::{Origin, OriginError, Version},
};

/// Why one delta was refused; other deltas on the link go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Entries between what is held and the delta's base would be missing.
    #[error("the delta starts after version {base}, but only {held} is held; send from {held}")]
    Gap {
        /// Where the delta starts.
        base: Version,
        /// What the receiver holds.
        held: Version,
    },
    /// A peer sent what only this replica may write.
    #[error("{0} is this node's own origin, which it alone writes")]
    OwnOrigin(Origin),
    /// An entry claims a version outside those that the delta covers.
    #[error("an entry of {key:?} has version {got}, outside the delta ({base}, {version}]")]
    EntryVersion {
        /// The entry.
        key: Box<Key>,
        /// Its version.
        got: Version,
        /// Where the delta starts.
        base: Version,
        /// Where it ends.
        version: Version,
    },
    /// The delta claims a version that no entry in it has, though every write leaves one.
    #[error("the delta claims version {version}, but holds no entry of it")]
    VersionUnwritten {
        /// Where the delta ends.
        version: Version,
    },
    /// The delta would not move its origin forward.
    #[error("the delta ends at version {version}, which is not after its base {base}")]
    Empty {
        /// Where the delta starts.
        base: Version,
        /// Where it ends.
        version: Version,
    },
    /// One key occurs twice in a delta.
    #[error("the delta holds {0:?} twice")]
    Twice(Box<Key>),
    /// The delta holds an entry that a tombstone of its origin covers.
    #[error("the delta holds {0:?}, which a tombstone of its origin covers")]
    BelowTombstone(Box<Key>),
    /// The origin ends older epochs without declaring which one follows.
    #[error("the delta holds {0:?} without a declaration of that epoch")]
    TombstoneAlone(Box<Key>),
    /// The frames of one delta contradict each other.
    #[error("frames of delta {0} contradict each other")]
    Inconsistent(u64),
    /// More frames or bytes than a delta may have.
    #[error("the delta is over {limit} bytes; raise the limit or drop fields")]
    TooLarge {
        /// Most bytes of a delta.
        limit: usize,
    },
    /// More deltas at once than an honest peer sends.
    #[error("{limit} deltas are half arrived on this link already; finish some first")]
    TooManyDeltas {
        /// Most deltas at once.
        limit: usize,
    },
    /// A value over the limit.
    #[error("the value of {key:?} has {got} bytes, at most {} are allowed", VALUE_BYTES_MAX)]
    ValueTooLarge {
        /// The entry.
        key: Box<Key>,
        /// Its size.
        got: usize,
    },
    /// What the entries add up to is not what their origin said.
    #[error("the entries do not add up to the origin's digest; the delta was damaged on the way")]
    DigestMismatch,
    /// The last frame came without a digest of 32 bytes.
    #[error("the last frame carries a digest of {0} bytes instead of 32")]
    DigestLength(usize),
    /// A name outside the alphabet.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A value of a known lane that can't be read.
    #[error("the value of {key:?} can't be read: {source}")]
    Value {
        /// The entry.
        key: Box<Key>,
        /// What is wrong with it.
        source: InvalidValue,
    },
    /// More of a run than what stands for it since it ended.
    #[error("{origin} has ended at version {end}; what it wrote up to version {got} came too late and does not count")]
    Ended {
        /// The run.
        origin: Origin,
        /// Where it ended.
        end: Version,
        /// Where the delta ends.
        got: Version,
    },
    /// A run that is so old that it has ended, and its name was forgotten.
    #[error("{0} is a run from before the horizon: it has ended, and what it wrote came too late and does not count")]
    BelowHorizon(Origin),
    /// More of a run than this replica has agreed to end it at; it may be accepted later.
    #[error("{origin} is about to end at version {end}; the delta ends at {got}")]
    Ending {
        /// The run.
        origin: Origin,
        /// Where it is about to end.
        end: Version,
        /// Where the delta ends.
        got: Version,
    },
    /// What claims to be the base can't be read as one.
    #[error("the base can't be read: {0}")]
    Base(InvalidValue),
    /// A clock that lies too far ahead; it may be accepted later.
    #[error(
        "what `{node}` wrote is {ahead_ms} ms ahead of the time that the members agree on, more than {limit_ms} ms: it is \
         postponed until they get there, and nothing is lost; set the clock of `{node}` and keep its data directory"
    )]
    ClockAhead {
        /// The node that wrote it.
        node: NodeId,
        /// How far ahead of agreed time.
        ahead_ms: u64,
        /// The limit.
        limit_ms: u64,
    },
}

impl Refusal {
    /// A short name for metrics and for programs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Gap { .. } => "version_gap",
            Self::OwnOrigin(_) => "own_origin",
            Self::EntryVersion { .. } => "entry_version",
            Self::VersionUnwritten { .. } => "version_unwritten",
            Self::Empty { .. } => "empty_delta",
            Self::Twice(_) => "duplicate_key",
            Self::BelowTombstone(_) => "below_tombstone",
            Self::TombstoneAlone(_) => "tombstone_alone",
            Self::Inconsistent(_) => "inconsistent_frames",
            Self::TooLarge { .. } => "delta_too_large",
            Self::TooManyDeltas { .. } => "too_many_deltas",
            Self::ValueTooLarge { .. } => "value_too_large",
            Self::DigestMismatch => "digest_mismatch",
            Self::DigestLength(_) => "digest_length",
            Self::Key(KeyError::Name(_)) => "bad_name",
            Self::Key(KeyError::EpochOfNoField(_)) => "bad_key",
            Self::Value { .. } => "bad_value",
            Self::Ended { .. } => "ended",
            Self::BelowHorizon(_) => "below_horizon",
            Self::Ending { .. } => "ending",
            Self::Base(_) => "bad_base",
            Self::ClockAhead { .. } => "clock_ahead",
        }
    }
}

/// Why a link can't go on; the connection is to be closed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The peer belongs to another cluster.
    #[error("the peer belongs to cluster `{theirs}`, this node to `{ours}`; check the cluster name and the seeds")]
    Cluster {
        /// This node's.
        ours: ClusterName,
        /// The peer's, cut where it is longer than a name may be.
        theirs: String,
    },
    /// No protocol version in common.
    #[error(
        "the peer speaks protocol versions {min} to {max}, this node {ours}; \
         upgrade in steps of at most one protocol version"
    )]
    Protocol {
        /// The version spoken here.
        ours: u32,
        /// The peer's least.
        min: u32,
        /// The peer's greatest.
        max: u32,
    },
    /// The peer has this node's own name.
    #[error("the peer is called `{0}` too; give each node a name of its own")]
    SameNode(NodeId),
    /// The peer's name is outside the alphabet.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A frame that names no usable origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The peer claims versions that this node has not written.
    #[error("the peer claims version {claimed} of this node's own {origin}, which has written {written}")]
    OwnFuture {
        /// This node's origin.
        origin: Origin,
        /// What the peer claims.
        claimed: Version,
        /// What was written.
        written: Version,
    },
    /// The peer names more origins than a link may have.
    #[error("the peer names over {limit} origins; a cluster has fewer, however often its nodes are restarted")]
    TooManyOrigins {
        /// Most origins on one link.
        limit: usize,
    },
    /// One frame of frontier updates moves more origins than a frame may.
    #[error("the peer's frontier updates move over {limit} origins in one frame")]
    TooManyMoves {
        /// Most moves in one frame.
        limit: usize,
    },
    /// The peer sent something before `Hello`, or `Hello` again with other contents.
    #[error("the peer sent {0} out of turn")]
    OutOfTurn(&'static str),
    /// A frame without a body that this version knows, where `Hello` was due.
    #[error("the peer sent a frame that protocol version {0} does not have")]
    UnknownFrame(u32),
}

impl LinkError {
    /// A short name for metrics and for programs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Cluster { .. } => "wrong_cluster",
            Self::Protocol { .. } => "unknown_protocol",
            Self::SameNode(_) => "same_node",
            Self::Name(_) => "bad_name",
            Self::Origin(_) => "bad_origin",
            Self::OwnFuture { .. } => "own_future",
            Self::TooManyOrigins { .. } => "too_many_origins",
            Self::TooManyMoves { .. } => "too_many_moves",
            Self::OutOfTurn(_) => "out_of_turn",
            Self::UnknownFrame(_) => "unknown_frame",
        }
    }
}

/// A delta refused on a link, for logs and metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedDelta {
    /// The peer that sent it.
    pub peer: NodeId,
    /// Whose entries it held.
    pub origin: Origin,
    /// Why it was refused.
    pub refusal: Refusal,
}

impl fmt::Display for RefusedDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused a delta of {} from {}: {}", self.origin, self.peer, self.refusal)
    }
}
