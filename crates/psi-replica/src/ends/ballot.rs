//! Ballots: the order of proposals.

use crate::{
    entry::origin::{Origin, OriginError},
    proto,
};

/// A proposal's place in the order of all proposals for one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ballot {
    pub(crate) counter: u64,
    pub(crate) proposer: Origin,
}

impl From<&Ballot> for proto::Ballot {
    fn from(Ballot { counter, proposer }: &Ballot) -> Self {
        Self { counter: *counter, proposer: Some(proposer.into()) }
    }
}

impl TryFrom<proto::Ballot> for Ballot {
    type Error = OriginError;

    fn try_from(proto::Ballot { counter, proposer }: proto::Ballot) -> Result<Self, OriginError> {
        Ok(Self { counter, proposer: Origin::try_from(proposer)? })
    }
}
