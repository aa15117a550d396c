//! Steps, the values that they decide, and decisions.

use std::fmt;

use crate::{
    ballot::{Ballot, ProposerId},
    voters::VoterSet,
};

/// Longest body of a value, in bytes.
pub const BODY_BYTES_MAX: usize = 4096;

/// A place in the chain of a register. Step 0 is the genesis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step(pub u64);

/// What a step decides: who proposed it, who votes in the next step, and a body that is opaque here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    proposer: Option<ProposerId>,
    voters: VoterSet,
    body: Vec<u8>,
}

/// A body that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the body of a value has at most {BODY_BYTES_MAX} bytes, and this has {0}; keep what is long beside it, by hash"
)]
pub struct BodyLengthError(pub usize);

/// A value that a majority of the voters of its step accepted. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    step: Step,
    value: Value,
}

/// A value under a ballot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proposal {
    /// The ballot.
    pub ballot: Ballot,
    /// The value.
    pub value: Value,
}

impl Step {
    /// Before any vote.
    pub const GENESIS: Self = Self(0);

    /// The step after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Value {
    /// A value that someone proposes.
    ///
    /// # Errors
    /// The body is too long.
    pub fn new(proposer: ProposerId, voters: VoterSet, body: Vec<u8>) -> Result<Self, BodyLengthError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(BodyLengthError(body.len()));
        }
        Ok(Self { proposer: Some(proposer), voters, body })
    }

    pub(crate) fn genesis(voters: VoterSet) -> Self {
        Self { proposer: None, voters, body: Vec::new() }
    }

    /// Who proposed it first. Nobody proposed a genesis.
    #[must_use]
    pub fn proposer(&self) -> Option<ProposerId> {
        self.proposer
    }

    /// Who votes in the next step.
    #[must_use]
    pub fn voters(&self) -> &VoterSet {
        &self.voters
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl Decision {
    pub(crate) fn new(step: Step, value: Value) -> Self {
        Self { step, value }
    }

    /// Which step it decides.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// What it decides.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
