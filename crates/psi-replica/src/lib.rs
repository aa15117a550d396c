//! What one node holds of a cluster's state, and the protocol by which all come to hold the same.
//!
//! State is a map from origins (one run of one node each) to entries that the origin alone writes. Merging keeps,
//! per origin, the newer version, so it is commutative, associative and idempotent: Scuttlebutt reconciliation
//! (van Renesse et al., 2008) and a delta-state CRDT (Almeida et al., 2018) with one writer an entry. What a
//! replica holds of an origin is exactly what that origin held at the version in the frontier.
//!
//! [`Replica`] is a state machine: frames, writes and the clock go in; answers, frames and events come out.
//! What is left out on purpose: sockets, threads, clocks, randomness. So it can't block, and a seed repeats a run.

mod batch;
mod clock;
mod digest;
mod entry;
mod event;
mod exchange;
mod field;
mod frame;
mod frontier;
mod interventions;
mod key;
mod lacking;
mod learned;
mod link;
mod log;
mod name;
mod news;
mod origin;
pub mod overlay;
mod own;
mod pass;
mod receive;
mod recency;
mod refusal;
mod replica;
mod round_trip;
mod session;
mod skew;
mod snapshot;
mod speak;
mod spec;
mod token;
mod value;
mod view;
mod watch;
mod write;

/// Messages of the link protocol and of entry values, generated from `proto/psi/replica/v1`.
#[allow(missing_docs, clippy::all, reason = "generated; the documentation is in the proto files")]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/psi.replica.v1.rs"));
}

pub use batch::Batch;
pub use clock::{Clock, Now, TickMs, WallMs};
pub use digest::Digest;
pub use entry::{Entry, VALUE_BYTES_MAX};
pub use event::Event;
pub use exchange::{Backlog, LinkStatus};
pub use frame::{FrameError, decode_frame};
pub use frontier::Frontier;
pub use key::{Epoch, Key, Lane};
pub use learned::LearnedView;
pub use link::{LinkCounts, LinkId, Peer};
pub use name::{ClusterName, DEFAULT_FIELD, FieldName, NAME_LENGTH_MAX, NameError, NodeId};
pub use origin::{Origin, OriginError, Version};
pub use pass::FRAME_BYTES_MAX;
pub use refusal::{LinkError, Refusal, RefusedPass};
pub use replica::{Config, FLUSH_MS, Later, Replica};
pub use session::{Lack, Lacks};
pub use skew::{AHEAD_MS_MAX, SKEW_MS_MAX};
pub use snapshot::{FrozenOrigin, SNAPSHOT_LAYOUT, Snapshot, SnapshotEncoder, SnapshotError};
pub use spec::{CurrentSpec, Setup, Shape, Spec, WIDTH_DEFAULT, WIDTH_MAX};
pub use token::{NameHash, TOKEN_LENGTH_MAX, TOKEN_ORIGINS_MAX, Token, TokenError};
pub use value::{DIMENSIONS_PER_ENTRY, INTERVENTIONS_KEPT, METRICS, Record, ValueError};
pub use view::{FieldView, GuardianView};
pub use write::{BATCH_MAX, FIELDS_SHOWN, Intervention, NotReady, Step, WriteError};

/// Version of the link protocol, and of what a fold depends on.
pub const PROTOCOL: u32 = 1;

/// Largest encoded frame: a full load of entries, or one entry, and what goes around them.
pub const FRAME_ENCODED_MAX: usize = FRAME_BYTES_MAX + 128 * 1024;
