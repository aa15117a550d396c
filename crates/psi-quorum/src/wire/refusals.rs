//! Refusals as responses carry them: a number, and what the rest of the response does not say.

use crate::{
    ballot::Ballot,
    decision::Step,
    proto::{self, RefusalReason},
    refusal::{DecodeError, Refusal},
    register::RegisterId,
};

pub(super) fn write(refusal: &Refusal) -> proto::Refusal {
    let (reason, register_id) = match refusal {
        Refusal::OtherGenesis { own, .. } => (RefusalReason::OtherGenesis, own.as_bytes().to_vec()),
        Refusal::NotListed(_) => (RefusalReason::NotListed, Vec::new()),
        Refusal::ForeignBallot { .. } => (RefusalReason::ForeignBallot, Vec::new()),
        Refusal::BallotReuse { .. } => (RefusalReason::BallotReuse, Vec::new()),
        Refusal::TwoDecisions(_) => (RefusalReason::TwoDecisions, Vec::new()),
        Refusal::NoLease(_) => (RefusalReason::NoLease, Vec::new()),
    };
    proto::Refusal { reason: reason.into(), register_id }
}

pub(super) fn read(
    refusal: proto::Refusal,
    asked: RegisterId,
    step: Step,
    ballot: Option<Ballot>,
) -> Result<Refusal, DecodeError> {
    let reason = RefusalReason::try_from(refusal.reason).map_err(|_| DecodeError::Part("refusal"))?;
    if reason == RefusalReason::OtherGenesis {
        let own = refusal.register_id.try_into().map_err(|_| DecodeError::Part("register id"))?;
        return Ok(Refusal::OtherGenesis { own: RegisterId::from_bytes(own), asked });
    }
    if !refusal.register_id.is_empty() {
        return Err(DecodeError::Part("register id"));
    }
    let ballot = ballot.ok_or(DecodeError::Part("ballot"));
    Ok(match reason {
        RefusalReason::NotListed => Refusal::NotListed(step),
        RefusalReason::ForeignBallot => Refusal::ForeignBallot { step, ballot: ballot? },
        RefusalReason::BallotReuse => Refusal::BallotReuse { step, ballot: ballot? },
        RefusalReason::TwoDecisions => Refusal::TwoDecisions(Step(step.0 - 1)),
        RefusalReason::NoLease => Refusal::NoLease(step),
        RefusalReason::OtherGenesis | RefusalReason::Unspecified => return Err(DecodeError::Part("refusal")),
    })
}
