//! Why a voter takes no part, and why bytes are no message.

use crate::{
    ballot::Ballot,
    decision::{BodyLengthError, Step},
    register::{NameError, RegisterId},
    voters::VoterSetError,
};

/// Longest request, response or record, in bytes: two values and some ballots.
pub const MESSAGE_BYTES_MAX: usize = 12 * 1024;

/// Why a voter takes no part, or a proposer gave up. Nothing changed at the voter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There are two registers of one name.
    #[error(
        "the voter's register of that name is {own}, not {asked}: it was registered twice with other first voters; \
         keep one and give the other a new name"
    )]
    OtherGenesis {
        /// The voter's register.
        own: RegisterId,
        /// The register of the request.
        asked: RegisterId,
    },
    /// The decision before does not list the voter.
    #[error("the voter has no vote in step {0}; list its key by a change of voters first")]
    NotListed(Step),
    /// Ballot 0 is that of the proposer of the step before.
    #[error("ballot {ballot} is not its proposer's in step {step}, as another run holds step {step} - 1; prepare one")]
    ForeignBallot {
        /// The step.
        step: Step,
        /// The ballot.
        ballot: Ballot,
    },
    /// A proposer used one ballot for two values: two processes share a key and a run.
    #[error("ballot {ballot} of step {step} has two values: two processes share a key and a run; give one a new key")]
    BallotReuse {
        /// The step.
        step: Step,
        /// The ballot.
        ballot: Ballot,
    },
    /// Two decisions of one step are known, which no fault that is tolerated leads to.
    #[error(
        "step {0} has two decisions: voters share a key, or one lost its store and kept its key; start a new register"
    )]
    TwoDecisions(Step),
    /// A register that holds leases was to decide something else.
    #[error("step {0} of this register decides a lease, and the value is none; use another register for it")]
    NoLease(Step),
}

/// Why bytes are no request, response or record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than any.
    #[error("a message has at most {max} bytes, and this has {bytes}", max = MESSAGE_BYTES_MAX)]
    Length {
        /// How long it is.
        bytes: usize,
    },
    /// Not the encoding of one, or another encoding than the one that it has.
    #[error("the bytes are no {0}, or are not written as this version writes it")]
    Malformed(&'static str),
    /// A part is missing or has another form.
    #[error("the message has no sound {0}")]
    Part(&'static str),
    /// A name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A set of voters is none.
    #[error(transparent)]
    Voters(#[from] VoterSetError),
    /// A body is too long.
    #[error(transparent)]
    Body(#[from] BodyLengthError),
}
