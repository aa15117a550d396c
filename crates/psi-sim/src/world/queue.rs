//! What happens next.

use super::{network::FrameCopy, rollouts::turn::RolloutTurn};

/// Something that happens at its time.
#[derive(Debug)]
pub(crate) enum Occurrence {
    Wake(usize),
    Arrive {
        connection: u64,
        end: usize,
        copy: FrameCopy,
    },
    Drain {
        connection: u64,
        end: usize,
    },
    Hangup {
        connection: u64,
        end: usize,
    },
    Dial {
        from: usize,
        to: usize,
    },
    Gossip,
    Write,
    Fault,
    Resume(usize),
    /// A machine's program is started, unless it runs.
    Start(usize),
    /// The ways between two machines are opened, one way or both.
    Open(Vec<(usize, usize)>),
    /// A process stops in good order, or crashes.
    Stop {
        p: usize,
        is_clean: bool,
    },
    /// All ways of a machine are closed for so long.
    CutOff {
        machine: usize,
        ms: u64,
    },
    /// A clock that jumped is set right.
    SetClock(usize),
    /// The operator looks how far a change of the cluster's key has come.
    ChangeKeys,
    /// A machine gets the key file of the current step.
    PutKeys(usize),
    /// A process looks at its key file.
    ReadKeys(usize),
    /// A machine is replaced by another of its name.
    Replace(usize),
    /// Something about models and their rollouts.
    Rollout(RolloutTurn),
}

/// A happening in its turn.
pub(crate) struct QueuedOccurrence {
    pub(super) at: u64,
    pub(super) turn: u64,
    pub(crate) what: Occurrence,
}

impl PartialEq for QueuedOccurrence {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.turn) == (other.at, other.turn)
    }
}

impl Eq for QueuedOccurrence {}

impl PartialOrd for QueuedOccurrence {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for QueuedOccurrence {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.turn).cmp(&(other.at, other.turn))
    }
}
