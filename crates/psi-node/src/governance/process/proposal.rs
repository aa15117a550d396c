//! What a voter looks at before it votes for a step of a process, a task or a model.

use psi_quorum::{Call, Request};

use super::{
    chain::RegisterBody,
    documents,
    emergency::{EMERGENCY_REGISTER, EmergencySwitch},
};
use crate::{
    governance::{
        quorum::peers::node_of,
        rollout::{
            models::{MODEL_PREFIX, check_model},
            refresh::check_rollbacks,
        },
    },
    node::context::NodeContext,
};

/// Whether the proposed step follows by the rules. Then this node holds its spec, and the transition, or that is returned to
/// be kept with the vote. `given`: the transition as the proposer keeps it, or nothing.
///
/// # Errors
/// This node votes for nothing of the kind, at least not now: why.
pub(crate) async fn check_proposal(
    context: &NodeContext,
    request: &Request,
    given: Vec<u8>,
) -> Result<Option<([u8; 32], Vec<u8>)>, String> {
    let Call::Accept(proposal) = request.call() else { return Ok(None) };
    let (register, body) = (request.register().as_str(), proposal.value.body());
    if register == EMERGENCY_REGISTER {
        return EmergencySwitch::read(body).map(|_| None);
    }
    if register.starts_with(MODEL_PREFIX) {
        check_model(register, request.previous(), body)?;
        // A value that another proposer recovers may have been decided: to refuse it would stop the register for good.
        let is_recovered = proposal.value.proposer() != Some(proposal.ballot.proposer);
        return if is_recovered { Ok(None) } else { check_rollbacks(context, register, body).map(|()| None) };
    }
    let before = RegisterBody::of(register, request.previous())?;
    let next = RegisterBody::read(register, body)?;
    // The same once more, for other voters.
    if next == before {
        return Ok(None);
    }
    let head = next.newest_since(&before).ok_or("a step is one transition, and this is none, or several")?;
    let proposer = proposal.value.proposer().and_then(|proposer| node_of(context, proposer.key));
    let first = proposer.as_ref();
    let placed = documents::read_transition(head, &given);
    let to_keep = placed.is_some().then(|| (*head.as_bytes(), given));
    let placed = match placed {
        Some(placed) => Some(placed),
        None => documents::transition(context, head, first).await,
    };
    let placed = placed.ok_or_else(|| format!("this node can't get transition {head}, and votes for what it holds"))?;
    let transition = &placed.transition;
    let chain = before.chain(&transition.subject, transition.clock.wall_ms);
    let specs = documents::specs_of(context, &chain, transition, first).await;
    let followed = before.follow(transition, &specs).map_err(|refusal| refusal.to_string())?;
    if followed == next {
        return Ok(to_keep);
    }
    Err(format!("transition {head} leads {} elsewhere than proposed", transition.subject))
}
