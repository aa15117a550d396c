//! What happened inside a replica that the shell may want to log or count.

use std::collections::VecDeque;

use crate::{
    delta::refusal::RefusedDelta,
    entry::{
        name::NodeId,
        origin::{Origin, Version},
    },
};

/// Events kept for the shell; it is expected to take them after every call.
const EVENTS_MAX: usize = 4096;

/// Something that happened; see [`crate::Replica::poll_event`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<E> {
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
    /// A delta was applied.
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
    /// A delta was refused; nothing of it was applied.
    Refused(RefusedDelta),
    /// A peer refused a delta of ours.
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
    /// A later run of this node has written. If that is live, one of the two is to end; else this one goes on, as a run
    /// that is later still.
    Superseded {
        /// The later run.
        by: Origin,
    },
    /// Runs have ended: what they wrote is in the base.
    Ended {
        /// The number of the checkpoint that ended them.
        checkpoint: u64,
        /// Which runs, and at which versions.
        runs: Vec<(Origin, Version)>,
        /// Bytes that logs and base take less for it.
        bytes_freed: u64,
    },
    /// What this replica held of a run beyond the version at which the others ended it is lost: it came too late.
    Late {
        /// The run.
        origin: Origin,
        /// What was held.
        held: Version,
        /// Where it ended; `None` if its name is forgotten.
        ended: Option<Version>,
    },
    /// The base that was held is none that the other members' base grew out of; it gave way to theirs.
    BaseReplaced {
        /// Checkpoints that it had taken.
        checkpoint: u64,
        /// Checkpoints of the one that holds now.
        by: u64,
    },
    /// The base that was held and that of the other members had never met. Theirs holds from now on, and the other is
    /// folded into it.
    BaseJoined {
        /// Checkpoints that the base which was held had taken.
        checkpoint: u64,
        /// Checkpoints of the one that holds now.
        by: u64,
    },
    /// This run goes on under a new origin: the others have ended the one before, or may.
    Reminted {
        /// The one before.
        before: Origin,
    },
    /// Something that the state emitted.
    State(E),
}

/// Events that the shell has not taken yet, oldest first; beyond [`EVENTS_MAX`] the oldest go.
#[derive(Debug)]
pub(crate) struct EventQueue<E> {
    events: VecDeque<Event<E>>,
}

impl<E> EventQueue<E> {
    pub(crate) fn new() -> Self {
        Self { events: VecDeque::new() }
    }

    pub(crate) fn emit(&mut self, event: Event<E>) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(crate) fn pop(&mut self) -> Option<Event<E>> {
        self.events.pop_front()
    }
}
