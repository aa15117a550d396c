//! Parts of messages: keys, ballots, values, decisions.

use psi_security::node_key::NodePublicKey;

use crate::{
    ballot::{Ballot, ProposerId},
    decision::{Decision, Proposal, Step, Value},
    proto,
    refusal::DecodeError,
    voters::VoterSet,
};

pub(super) fn write_ballot(ballot: Ballot) -> proto::Ballot {
    proto::Ballot { number: ballot.number, proposer: Some(write_proposer(ballot.proposer)) }
}

pub(super) fn write_proposal(proposal: &Proposal) -> proto::Proposal {
    proto::Proposal { ballot: Some(write_ballot(proposal.ballot)), value: Some(write_value(&proposal.value)) }
}

pub(super) fn write_decision(decision: &Decision) -> proto::Decision {
    proto::Decision { step: decision.step().0, value: Some(write_value(decision.value())) }
}

pub(super) fn read_key(bytes: Vec<u8>) -> Result<NodePublicKey, DecodeError> {
    bytes.try_into().map(NodePublicKey::from_bytes).map_err(|_| DecodeError::Part("node key"))
}

/// The step of a request: never the genesis.
pub(super) fn read_open_step(step: u64) -> Result<Step, DecodeError> {
    if step == 0 { Err(DecodeError::Part("step")) } else { Ok(Step(step)) }
}

pub(super) fn read_ballot(ballot: proto::Ballot) -> Result<Ballot, DecodeError> {
    let proposer = read_proposer(ballot.proposer.ok_or(DecodeError::Part("proposer"))?)?;
    Ok(Ballot { number: ballot.number, proposer })
}

/// Ballot 0 is never prepared.
pub(super) fn read_prepared(ballot: proto::Ballot) -> Result<Ballot, DecodeError> {
    read_ballot(ballot)
        .and_then(|ballot| if ballot.number == 0 { Err(DecodeError::Part("ballot")) } else { Ok(ballot) })
}

pub(super) fn read_proposal(proposal: proto::Proposal) -> Result<Proposal, DecodeError> {
    let ballot = read_ballot(proposal.ballot.ok_or(DecodeError::Part("ballot"))?)?;
    let value = proposal.value.ok_or(DecodeError::Part("value"))?;
    let proposer = read_proposer(value.proposer.ok_or(DecodeError::Part("proposer"))?)?;
    Ok(Proposal { ballot, value: Value::new(proposer, read_voters(value.voters)?, value.body)? })
}

pub(super) fn read_decision(decision: Option<proto::Decision>) -> Result<Decision, DecodeError> {
    let proto::Decision { step, value } = decision.ok_or(DecodeError::Part("decision"))?;
    let value = value.ok_or(DecodeError::Part("value"))?;
    let (voters, proposer) = (read_voters(value.voters)?, value.proposer.map(read_proposer).transpose()?);
    let value = match proposer {
        Some(proposer) if step > 0 => Value::new(proposer, voters, value.body)?,
        None if step == 0 && value.body.is_empty() => Value::genesis(voters),
        _ => return Err(DecodeError::Part("proposer")),
    };
    // The step after it must have a number, too.
    if step == u64::MAX { Err(DecodeError::Part("step")) } else { Ok(Decision::new(Step(step), value)) }
}

fn write_proposer(proposer: ProposerId) -> proto::ProposerId {
    proto::ProposerId { key: proposer.key.as_bytes().to_vec(), run: proposer.run }
}

fn write_value(value: &Value) -> proto::Value {
    proto::Value {
        proposer: value.proposer().map(write_proposer),
        voters: value.voters().keys().iter().map(|key| key.as_bytes().to_vec()).collect(),
        body: value.body().to_vec(),
    }
}

fn read_proposer(proposer: proto::ProposerId) -> Result<ProposerId, DecodeError> {
    if proposer.run == 0 {
        return Err(DecodeError::Part("run"));
    }
    Ok(ProposerId { key: read_key(proposer.key)?, run: proposer.run })
}

/// Keys stand in ascending order, so that one set has one encoding.
fn read_voters(keys: Vec<Vec<u8>>) -> Result<VoterSet, DecodeError> {
    let keys = keys.into_iter().map(read_key).collect::<Result<Vec<_>, _>>()?;
    if !keys.is_sorted() {
        return Err(DecodeError::Part("order of voters"));
    }
    Ok(VoterSet::new(keys)?)
}
