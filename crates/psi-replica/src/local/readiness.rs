//! Whether a replica serves, and if not, why: a typed value that texts are made from once.

use std::fmt;

use crate::{entry::name::NodeId, time::AHEAD_MS_MAX};

/// How ready a replica is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It has caught up and takes writes.
    Ready,
    /// It does not, or not wholly.
    NotReady(NotReady),
}

impl Readiness {
    /// Whether it takes writes.
    ///
    /// # Errors
    /// [`NotReady`] with the reason.
    pub fn for_writing(self) -> Result<(), NotReady> {
        match self {
            Self::Ready => Ok(()),
            Self::NotReady(why) => Err(why),
        }
    }

    /// Whether it may answer reads: it has caught up, though it may take no writes.
    ///
    /// # Errors
    /// [`NotReady`] with the reason.
    pub fn for_reading(self) -> Result<(), NotReady> {
        match self {
            Self::NotReady(why @ NotReady::Joining(_)) => Err(why),
            _ => Ok(()),
        }
    }

    /// Whether load balancers and peers should take it for a serving node.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        matches!(self, Self::Ready)
    }
}

/// Why a replica takes no writes just now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotReady {
    /// It has not reached a member, or not caught up with it.
    Joining(JoinStage),
    /// Its hybrid time is so far ahead of agreed time that the members would postpone what it writes.
    StateAhead {
        /// How far.
        ahead_ms: u64,
    },
    /// It is stopping.
    Stopping(StopCause),
}

/// How far a replica has come in joining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinStage {
    /// A seed waits for members to show themselves.
    Waiting,
    /// No ready member was reached, and the node may not start a cluster.
    Unreached,
    /// Reaching what a member held at first contact.
    CatchingUp {
        /// The member.
        member: NodeId,
        /// Origins of which something is still missing.
        behind: usize,
    },
    /// It has caught up, and has not minted its incarnation yet.
    Unminted,
}

/// Why a replica is stopping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// The node was told to stop.
    Requested,
}

impl std::error::Error for NotReady {}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joining(stage) => {
                write!(f, "the node is still joining: {stage}; try another node, or again shortly")
            }
            Self::StateAhead { ahead_ms } => write!(
                f,
                "the node's time is {ahead_ms} ms ahead of what the members agree on, more than {AHEAD_MS_MAX} ms, so \
                 they would postpone its steps; nothing is lost: use another node, set this node's clock and keep its \
                 data directory, or let the members follow it by `psi-field clock accept`"
            ),
            Self::Stopping(cause) => write!(f, "the node is stopping: {cause}; use another node"),
        }
    }
}

impl fmt::Display for JoinStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("waiting for members to show themselves"),
            Self::Unreached => f.write_str(
                "no ready member of this cluster has been reached; check cluster.name, the cluster key, and that \
                 cluster.seeds is the same on every node: one that is not in it itself waits for one that is",
            ),
            Self::CatchingUp { member, behind } => write!(f, "catching up with {member}, {behind} origins behind"),
            Self::Unminted => f.write_str("it has not minted its incarnation yet"),
        }
    }
}

impl fmt::Display for StopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("it was told to"),
        }
    }
}
