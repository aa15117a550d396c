//! What happened inside a replica that the shell may want to log or count.

use crate::{
    name::{FieldName, NodeId},
    origin::{Origin, Version},
    refusal::RefusedPass,
};

/// Something worth telling; see [`crate::Replica::poll_event`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The replica has caught up, minted its origin and takes writes.
    Ready {
        /// What it writes as.
        origin: Origin,
    },
    /// A link's peer has introduced itself.
    Opened {
        /// The peer.
        peer: NodeId,
    },
    /// A pass was applied.
    Applied {
        /// Who sent it.
        peer: NodeId,
        /// Whose entries it held.
        origin: Origin,
        /// Where the origin now stands.
        version: Version,
        /// Entries that were put.
        entries: usize,
    },
    /// A pass was refused; nothing of it was applied.
    Refused(RefusedPass),
    /// A peer refused a pass of ours.
    RefusedByPeer {
        /// The peer.
        peer: NodeId,
        /// Whose entries it held.
        origin: Origin,
        /// Short name of the reason.
        reason: String,
        /// For people.
        detail: String,
    },
    /// A peer holds the same of every origin, and its digest is another: a bug in this program.
    Diverged {
        /// The peer.
        peer: NodeId,
    },
    /// A later run of this node has written: this one takes no more writes, and is to hand over and end.
    Superseded {
        /// The later run.
        by: Origin,
    },
    /// A reset or drop of a field discarded steps that this node had accepted.
    StepsDropped {
        /// The field.
        field: FieldName,
        /// How many.
        steps: u64,
        /// Whether a caller asked this node for it: those steps were meant. Else it overtook them, having come from
        /// another node or from two shapes in one epoch.
        asked: bool,
    },
}
