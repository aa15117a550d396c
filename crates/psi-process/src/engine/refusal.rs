//! Why a transition does not count.

use psi_replica::Clock;

use super::state::{BUCKET_BYTES_MAX, End, STEPS_MAX};
use crate::{
    hash::{SpecHash, TransitionHash},
    judgement::Judgement,
    name::Name,
    spec::{Decision, Mode},
    text::list,
    transition::{Subject, TransitionError},
};

/// Why a transition does not count. What it would have changed is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransitionRefusal {
    /// It has no encoding, so nothing can name it.
    #[error(transparent)]
    Encoding(#[from] TransitionError),
    /// It is about something else.
    #[error("the transition is about {named}, and this is {current}; send it there")]
    OtherSubject {
        /// What it is about.
        named: Subject,
        /// What it was shown to.
        current: Subject,
    },
    /// The predecessor that it names is not the current transition: 412.
    #[error(
        "the transition follows {}, and the current one is {}; read the state again and decide again",
        hash(.named), hash(.current)
    )]
    OtherPredecessor {
        /// What it follows.
        named: Option<TransitionHash>,
        /// What it would have to follow.
        current: Option<TransitionHash>,
    },
    /// Nothing counts after the end.
    #[error("it is {end} since {current}, and nothing counts after that; use another name")]
    Ended {
        /// How it ended.
        end: End,
        /// By which transition.
        current: TransitionHash,
    },
    /// The spec is not known here, so nothing can be said yet.
    #[error("spec {0} is not known here; add it, or wait until it arrives")]
    UnknownSpec(SpecHash),
    /// The spec is that of another process.
    #[error("spec {spec} is of process `{of}`, and the transition is about `{process}`; name a spec of that process")]
    OtherProcess {
        /// The spec.
        spec: SpecHash,
        /// Whose it is.
        of: Name,
        /// Whose it must be.
        process: Name,
    },
    /// It was judged by another spec.
    #[error("it was judged by spec {named}, and {current} is in force; judge again by that")]
    OtherSpec {
        /// By which.
        named: SpecHash,
        /// Which is in force.
        current: SpecHash,
    },
    /// It was judged in another mode.
    #[error("it was judged in mode {named}, and {current} is in force; judge again in that")]
    OtherMode {
        /// In which.
        named: Mode,
        /// Which is in force.
        current: Mode,
    },
    /// A switch to the mode that is in force.
    #[error("mode {0} is in force already; nothing is to be switched")]
    SameMode(Mode),
    /// Another way to decide.
    #[error("the spec decides by {named}, and it began by {current}, which stays; start a process of another name")]
    OtherDecision {
        /// The new one.
        named: Decision,
        /// The present one.
        current: Decision,
    },
    /// An action that does not fit what it is about, or where it stands.
    #[error("{action} is nothing that {subject} does here; {hint}")]
    Action {
        /// What it is about.
        subject: Subject,
        /// Its action.
        action: &'static str,
        /// What does.
        hint: &'static str,
    },
    /// It leaves a phase in which the task is not.
    #[error("it leaves phase `{named}`, and the task is in `{current}`; name that")]
    OtherPhase {
        /// Which phase it leaves.
        named: Name,
        /// In which phase the task is.
        current: Name,
    },
    /// It enters a phase that it can't.
    #[error("it enters {}, and from here it can enter {}", phase(.named.as_ref()), phase(.allowed.as_ref()))]
    Destination {
        /// Where to.
        named: Option<Name>,
        /// Where to it could.
        allowed: Option<Name>,
    },
    /// The phase in which the task is does not exist in the new spec.
    #[error("the task is in phase `{phase}`, which spec {spec} does not have; move the task or keep the phase")]
    LostPhase {
        /// The phase.
        phase: Name,
        /// The new spec.
        spec: SpecHash,
    },
    /// Gates of the phase without a judgement.
    #[error("these gates of the phase have no judgement: {}; judge them", list(.0))]
    MissingJudgements(Vec<Name>),
    /// A judgement of a gate that the phase does not have.
    #[error("the phase has no gate `{0}`; judge by the spec that is named")]
    UnknownGate(Name),
    /// Gates that did not pass.
    #[error("only PASS advances, and these gates did not pass: {}", list(.0))]
    NotPassed(Vec<Judgement>),
    /// A PASS that what it rests on does not bear out.
    #[error("gate `{gate}` is said to pass, and {cause}; judge again")]
    Unsupported {
        /// Which gate.
        gate: Name,
        /// What contradicts it.
        cause: String,
    },
    /// A return without a failure.
    #[error("no gate failed, so the task does not go back; advance, wait, or rewind it by hand")]
    NothingFailed,
    /// What was attested is not what the baseline says.
    #[error("{0}; restore what the baseline says, set another baseline, or force it with a reason")]
    Attestation(String),
    /// Work in this process needs a lease.
    #[error("the spec has a lease, and the transition carries no number of one; take the lease first")]
    MissingFence,
    /// The lease was lost.
    #[error("the transition carries lease number {named}, and {current} was seen; the lease is another's now")]
    StaleFence {
        /// Which it carries.
        named: u64,
        /// The highest that was seen.
        current: u64,
    },
    /// Only people force.
    #[error("a node by itself forces nothing; let a person force it, by an access token")]
    ForcedByNode,
    /// It claims to be written before what it follows.
    #[error("its clock {} is not after {} of the transition that it follows", clock(.named), clock(.current))]
    EarlierClock {
        /// Its clock.
        named: Clock,
        /// The clock of its predecessor.
        current: Clock,
    },
    /// Too many transitions.
    #[error("{STEPS_MAX} transitions count, and there are no more; abort this and start another task")]
    StepCount,
    /// Too many tasks that go on have names of one hash.
    #[error(
        "{tasks} tasks that go on share a bucket with it: they would take {bytes} bytes, and {BUCKET_BYTES_MAX} are allowed; \
         end those that are over, or use another name"
    )]
    FullBucket {
        /// How many tasks there would be.
        tasks: usize,
        /// How many bytes they would take.
        bytes: usize,
    },
    /// A decision out of order.
    #[error("it is decided as step {named}, and step {next} is next; apply decisions in order")]
    StepNumber {
        /// As which step.
        named: u64,
        /// Which is next.
        next: u64,
    },
}

impl TransitionRefusal {
    /// Whether the caller's expectation did not hold: HTTP 412, not 400.
    #[must_use]
    pub fn is_precondition(&self) -> bool {
        matches!(self, Self::OtherPredecessor { .. } | Self::Ended { .. })
    }

    /// Whether the same transition may count later, when more has arrived.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::UnknownSpec(_))
    }
}

fn hash(hash: &Option<TransitionHash>) -> String {
    hash.map_or_else(|| "none, as a start does".to_owned(), |hash| hash.to_string())
}

fn phase(phase: Option<&Name>) -> String {
    phase.map_or_else(|| "no phase".to_owned(), |phase| format!("phase `{phase}`"))
}

fn clock(clock: &Clock) -> String {
    format!("{}.{}", clock.wall_ms, clock.counter)
}
