//! What a voter looks at before it votes for a step of a process or a task.

use psi_process::DecidedChain;
use psi_quorum::{Call, Request};

use super::{
    chain::{chain_of, subject_of},
    documents,
    emergency::{EMERGENCY_REGISTER, EmergencySwitch},
};
use crate::{governance::quorum::peers::node_of, node::context::NodeContext};

/// Whether the proposed step follows by the rules. Then this node holds the transition and its spec.
///
/// # Errors
/// This node votes for nothing of the kind, at least not now: why.
pub(crate) async fn check_proposal(context: &NodeContext, request: &Request) -> Result<(), String> {
    let Call::Accept(proposal) = request.call() else { return Ok(()) };
    let (register, body) = (request.register().as_str(), proposal.value.body());
    if register == EMERGENCY_REGISTER {
        return EmergencySwitch::read(body).map(drop);
    }
    let subject = subject_of(register).ok_or_else(|| format!("this node votes on no register {register}"))?;
    let mut chain = chain_of(&subject, request.previous())?;
    let next = DecidedChain::from_bytes(body).map_err(|error| error.to_string())?;
    let head = next.state().map(|state| state.head).ok_or("a step leads somewhere, and this leads nowhere")?;
    let proposer = proposal.value.proposer().and_then(|proposer| node_of(context, proposer.key));
    let first = proposer.as_ref();
    let placed = documents::transition(context, head, first).await;
    let placed = placed.ok_or_else(|| format!("this node can't get transition {head}, and votes for what it holds"))?;
    let specs = documents::specs_of(context, &chain, &placed.transition, first).await;
    chain.apply(request.step().0, &placed.transition, &specs).map_err(|refusal| refusal.to_string())?;
    if chain == next { Ok(()) } else { Err(format!("transition {head} leads {subject} elsewhere than proposed")) }
}
