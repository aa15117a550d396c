//! Where a task or a process stands.

use std::fmt;

use psi_replica::Clock;

use crate::{
    attestation::Baseline,
    hash::{SpecHash, TransitionHash},
    name::Name,
    spec::{Mode, Spec},
    transition::Subject,
};

/// Most transitions that count in a chain. A task that needs more is several tasks.
pub const STEPS_MAX: u32 = 4_096;

/// Longest encoding of a bucket, in bytes. Some 25 tasks fit.
pub const BUCKET_BYTES_MAX: usize = 4_096;

/// How a chain ended. Nothing counts after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The task left its last phase.
    Done,
    /// It was aborted, or the process was.
    Aborted,
}

/// Where a task or a process stands, after all transitions that count. Its size does not depend on how many there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainState {
    /// What it is about.
    pub subject: Subject,
    /// The spec that it follows.
    pub spec: SpecHash,
    /// The mode of the newest transition; of a process, the mode in force.
    pub mode: Mode,
    /// The phase of a task; that in which it ended, if it has. `None` for a process.
    pub phase: Option<Name>,
    /// The newest transition that counts: the one that the next must name.
    pub head: TransitionHash,
    /// How many transitions count.
    pub steps: u32,
    /// How often a failed gate sent it back.
    pub returns: u32,
    /// The highest lease number that a transition carried.
    pub fence: Option<u64>,
    /// What attestations are compared with, if a transition set it.
    pub baseline: Option<Baseline>,
    /// The clock of the first transition. A name that is used again is another task, which begins later.
    pub begun: Clock,
    /// The clock of the newest transition.
    pub clock: Clock,
    /// How it ended, if it has.
    pub end: Option<End>,
}

impl ChainState {
    /// Whether it ended so long ago that it need not be kept.
    #[must_use]
    pub fn is_expired(&self, spec: &Spec, now_ms: u64) -> bool {
        self.end.is_some() && self.clock.wall_ms.saturating_add(spec.retain_ms()) <= now_ms
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Done => "done",
            Self::Aborted => "aborted",
        })
    }
}
