//! Votes: what a run says of the next checkpoint, in its own log.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;

use super::{
    ballot::Ballot,
    checkpoint::Checkpoint,
    wire::{ENDS_MAX, NUMBER_LIMIT, VoteError, digest, ended, origins, versions},
};
use crate::{
    entry::{
        digest::Digest,
        origin::{Origin, Version},
    },
    proto,
    store::Store,
};

/// A run's vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    /// The checkpoint: the base's number and one.
    pub(crate) number: u64,
    /// The hash of the checkpoint before: votes of bases that grew apart don't concern each other.
    pub(crate) parent: Digest,
    /// Nothing below this ballot is accepted.
    pub(crate) promised: Ballot,
    pub(crate) accepted: Option<Acceptance>,
    /// What the run proposed in the ballot of its own that it accepted: the checkpoint is the one that was accepted.
    pub(crate) proposal: Option<Proposal>,
    /// Bases that gave way and that the run held as it promised, each at its number.
    pub(crate) formers: BTreeMap<Origin, Version>,
}

/// A ballot that was accepted, and for which checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acceptance {
    pub(crate) ballot: Ballot,
    pub(crate) checkpoint: Digest,
    /// An earlier ballot may have decided this checkpoint, so a later one must not choose another.
    pub(crate) is_forced: bool,
}

/// A checkpoint, and who must accept it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) voters: BTreeSet<Origin>,
    pub(crate) checkpoint: Checkpoint,
}

impl Vote {
    /// A run's vote before it has seen any ballot.
    pub(crate) fn promising_nothing(own: &Origin, store: &Store) -> Self {
        let promised = Ballot { counter: 0, proposer: own.clone() };
        let (number, parent) = (store.base().number().saturating_add(1), store.base().hash());
        Self { number, parent, promised, accepted: None, proposal: None, formers: former_numbers(store) }
    }

    pub(crate) fn encode(&self) -> Bytes {
        let Self { number, parent, promised, accepted, proposal, formers } = self;
        let accepted = accepted.as_ref().map(|Acceptance { ballot, checkpoint, is_forced }| proto::Acceptance {
            ballot: Some(ballot.into()),
            checkpoint: checkpoint.to_bytes().to_vec().into(),
            forced: *is_forced,
        });
        let proposal = proposal.as_ref().map(|Proposal { voters, checkpoint }| proto::Proposal {
            voters: voters.iter().map(Into::into).collect(),
            checkpoint: Some(checkpoint.into()),
        });
        let (promised, parent) = (Some(promised.into()), parent.to_bytes().to_vec().into());
        let formers = formers.iter().map(|(former, number)| ended(former, *number)).collect();
        proto::VoteValue { number: *number, parent, promised, accepted, proposal, formers }.encode_to_vec().into()
    }

    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, VoteError> {
        let proto::VoteValue { number, promised, accepted, proposal, parent, formers } =
            proto::VoteValue::decode(bytes.clone())?;
        let ballot = |ballot: Option<proto::Ballot>| Ok::<_, VoteError>(ballot.ok_or(VoteError::Missing)?.try_into()?);
        let accepted = accepted.map(|proto::Acceptance { ballot: of, checkpoint, forced }| {
            Ok::<_, VoteError>(Acceptance { ballot: ballot(of)?, checkpoint: digest(&checkpoint)?, is_forced: forced })
        });
        let proposal = proposal.map(|proto::Proposal { voters, checkpoint }| {
            let checkpoint = checkpoint.ok_or(VoteError::Missing)?.try_into()?;
            Ok::<_, VoteError>(Proposal { voters: origins(voters)?, checkpoint })
        });
        let promised = ballot(promised)?;
        if number.max(promised.counter) >= NUMBER_LIMIT {
            return Err(VoteError::Number);
        }
        let (accepted, proposal) = (accepted.transpose()?, proposal.transpose()?);
        if proposal
            .as_ref()
            .is_some_and(|it| accepted.as_ref().is_none_or(|own| own.checkpoint != it.checkpoint.hash()))
        {
            return Err(VoteError::Proposal);
        }
        Ok(Self { number, parent: digest(&parent)?, promised, accepted, proposal, formers: versions(formers)? })
    }

    /// The checkpoint that was proposed, after its hash.
    pub(crate) fn proposed(&self) -> Option<(&Digest, &Checkpoint)> {
        self.accepted.as_ref().map(|own| &own.checkpoint).zip(self.proposal.as_ref().map(|it| &it.checkpoint))
    }

    /// The ballot that was accepted.
    pub(crate) fn accepted_ballot(&self) -> Option<&Ballot> {
        self.accepted.as_ref().map(|accepted| &accepted.ballot)
    }
}

/// The bases that gave way and are held, each at its number; not more than a vote may name.
pub(crate) fn former_numbers(store: &Store) -> BTreeMap<Origin, Version> {
    let formers = store.formers().iter().take(ENDS_MAX);
    formers.map(|(former, base)| (former.clone(), Version(base.number()))).collect()
}
