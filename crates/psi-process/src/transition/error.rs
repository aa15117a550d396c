//! Why a transition was not written, or not read.

use psi_ledger::record::RecordRefusal;

use super::limits::{TRANSITION_BYTES_MAX, TRANSITION_EVIDENCE_MAX};
use crate::{
    judgement::{READINGS_MAX, REASON_BYTES_MAX},
    spec::{ARTIFACT_BYTES_MAX, GATES_MAX},
};

/// Why a transition has no encoding, or bytes are no transition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransitionError {
    /// Too long.
    #[error(
        "a transition has at most {TRANSITION_BYTES_MAX} bytes, and this has {0}; name less evidence or shorten names"
    )]
    Length(usize),
    /// Not the encoding of a transition, or another than the one it has.
    #[error("the bytes are no transition, or are not written as this version writes transitions; take another copy")]
    Malformed,
    /// An action of a later version.
    #[error("action {0} is none of this version; update this node")]
    Action(i32),
    /// Phases that do not belong to the action.
    #[error("a transition that is a {0} names other phases, or another baseline; see its action")]
    Phases(&'static str),
    /// A name that is none.
    #[error("it names a process, task, phase, gate or node as no name is written: {0}")]
    Name(String),
    /// A hash of another length.
    #[error("the hash of {0} does not have 32 bytes")]
    Hash(&'static str),
    /// Nobody's run.
    #[error("`{0}` is no run of a node, and only runs write transitions")]
    Origin(String),
    /// A mode that is none.
    #[error("mode {0} is neither watch nor enforce")]
    Mode(i32),
    /// An actor or evidence that records can't have.
    #[error(transparent)]
    Record(#[from] RecordRefusal),
    /// Too much evidence.
    #[error(
        "a transition names at most {TRANSITION_EVIDENCE_MAX} pieces of evidence, and this names {0}; list some in one"
    )]
    EvidenceCount(usize),
    /// A piece of evidence that is too large.
    #[error("evidence `{name}` has {size} bytes, and at most {ARTIFACT_BYTES_MAX} are allowed; cut it into pieces")]
    EvidenceSize {
        /// Which.
        name: String,
        /// How large.
        size: u64,
    },
    /// Evidence that is out of order, or twice.
    #[error("evidence `{0}` is twice, or not in the order of names; sort by name")]
    EvidenceOrder(String),
    /// An attestation that can't be kept.
    #[error("what is attested, or the baseline, is empty, too long or can't be read; see the limits of builds")]
    Attestation,
    /// Too many judgements.
    #[error("a transition has at most {GATES_MAX} judgements, and this has {0}; a phase has no more gates")]
    JudgementCount(usize),
    /// Judgements out of order, or twice.
    #[error("the judgement of `{0}` is twice, or not in the order of gates' names; sort by name")]
    JudgementOrder(String),
    /// A judgement that no record keeps.
    #[error(
        "the judgement of `{0}` has no such verdict, a reason over {REASON_BYTES_MAX} bytes or a line, more than {READINGS_MAX} \
         readings or readings out of order; use Judgement::for_record"
    )]
    Judgement(String),
    /// A reason that is too long, or missing where a person forces.
    #[error("the reason has {0} bytes: at most {REASON_BYTES_MAX}, at least 1 if it is forced, no control characters")]
    Reason(usize),
}
