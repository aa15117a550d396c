//! What one node holds of a cluster's entries, and the protocol by which all nodes come to hold the same.
//!
//! The replicated data is a map from origins (one run of one node each) to entries that the origin alone writes.
//! Merging keeps, per origin, the newer version, so it is commutative, associative and idempotent: Scuttlebutt
//! reconciliation (van Renesse et al., 2008) and a delta-state CRDT (Almeida et al., 2018) with one writer an entry.
//! What a replica holds of an origin is exactly what that origin held at the version in the frontier.
//!
//! [`Replica`] is a state machine: frames, writes and the clock go in; answers, frames and events come out. It knows keys,
//! scopes and tombstones. What the entries mean is the matter of the [`State`] that it is generic over.
//! Left out on purpose: sockets, threads, clocks, randomness. So it can't block, and a seed repeats a run.

mod config;
mod delta;
mod ends;
mod entry;
mod links;
mod local;
mod replica;
mod session;
mod state;
mod store;
mod time;

/// Messages of the link protocol and of snapshots, generated from `proto/psi/replica/v1`.
#[allow(missing_docs, clippy::all, reason = "generated; the documentation is in the proto files")]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/psi.replica.v1.rs"));
}

pub use config::Config;
#[cfg(feature = "testing")]
pub use config::Extension;
pub use delta::{
    FRAME_BYTES_MAX, FRAME_ENCODED_MAX,
    frame::{FrameError, decode_frame},
    refusal::{LinkError, Refusal, RefusedDelta},
};
pub use entry::{
    Entry, InvalidValue, KeyError, VALUE_BYTES_MAX,
    clock::{Clock, HybridClock, Now, TickMs, WallMs},
    digest::Digest,
    frontier::Frontier,
    key::{Key, Lane},
    name::{ClusterName, DEFAULT_FIELD, FieldName, NAME_LENGTH_MAX, NameError, NodeId},
    origin::{Origin, OriginError, Version},
    scope::{Epoch, Scope, ScopeKind},
};
pub use links::{
    link::{Backlog, LinkCounts, LinkId, Peer},
    overlay,
};
pub use local::{
    FLUSH_MS,
    readiness::{JoinStage, NotReady, Readiness, StopCause},
    writer::Writer,
};
pub use replica::event::Event;
pub use replica::{EndStatus, LinkStatus, Replica, RunStage, RunStatus, TimeStatus};
pub use session::{
    token::{NameHash, TOKEN_LENGTH_MAX, TOKEN_ORIGINS_MAX, Token, TokenError},
    token_gap::{TokenGap, TokenGaps},
};
pub use state::{RemoteUpdate, State};
pub use store::snapshot::{FrozenOrigin, SNAPSHOT_LAYOUT, Snapshot, SnapshotEncoder, SnapshotError};
pub use store::{
    Store,
    log::{Change, OriginLog},
};
pub use time::{AHEAD_MS_MAX, OFF_MS_MAX};

/// Version of the link protocol, and of what a fold depends on.
pub const PROTOCOL: u32 = 1;
