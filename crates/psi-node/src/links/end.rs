//! Why a link ended.

use std::{error::Error as _, time::Duration};

use psi_replica::{FRAME_ENCODED_MAX, LinkError, NodeId};
use tonic::{Code, Status};

/// How long a peer may take to introduce itself; one that is merely slow is dialled again, or dials again.
pub(super) const INTRODUCTION: Duration = Duration::from_secs(5);

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkEnd {
    #[error("the peer closed it")]
    Closed,
    #[error("this node is stopping, or a newer link to the peer stands")]
    Stopped,
    #[error("an authority is no longer believed, so both ends show their certificates again")]
    AuthorityRemoved,
    #[error("{}", .0.message())]
    Transport(Status),
    /// The message is not a frame, or longer than a frame may be.
    #[error("the peer sent what is no frame of at most {FRAME_ENCODED_MAX} bytes: {}", .0.message())]
    NoFrame(Status),
    #[error("the peer did not introduce itself within {} s", INTRODUCTION.as_secs())]
    Silent,
    #[error(
        "the peer is `{got}`, and is to be `{expected}`; check what the two nodes advertise, and their certificates"
    )]
    WrongPeer { expected: NodeId, got: String },
    #[error(transparent)]
    Refused(#[from] LinkError),
}

impl From<Status> for LinkEnd {
    /// Distinguishes a frame that could not be decoded here from a broken connection and from a reason that the peer
    /// gave.
    fn from(status: Status) -> Self {
        let here = status.source().is_none() && psi_api::cause_of(&status).is_none();
        match status.code() {
            Code::Internal | Code::OutOfRange if here => Self::NoFrame(status),
            _ => Self::Transport(status),
        }
    }
}

impl LinkEnd {
    /// Short name of the reason, where this node refused what the peer sent.
    pub(super) fn refused(&self) -> Option<&'static str> {
        match self {
            Self::Refused(error) => Some(error.reason()),
            Self::NoFrame(_) => Some("not_a_frame"),
            Self::WrongPeer { .. } => Some("wrong_peer"),
            Self::Silent => Some("silent_peer"),
            Self::Closed | Self::Stopped | Self::AuthorityRemoved | Self::Transport(_) => None,
        }
    }
}
