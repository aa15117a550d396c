//! This node's votes: what it promised and accepted is on its disk before anyone hears of it.

use std::sync::{Arc, atomic::Ordering};

use psi_api::Cause;
use psi_quorum::{LeaseVoter, Outcome, Record, Register, Request};
use tonic::{Code, Status};

use super::registers::{boot_time, register_of};
use crate::{governance::ledger::store::blocking, node::context::NodeContext};

/// Answers a proposer. Both are bytes of psi-quorum.
///
/// # Errors
/// This node can't vote, at least not now.
pub(crate) async fn answer(context: &Arc<NodeContext>, bytes: &[u8]) -> Result<Vec<u8>, Status> {
    let request = Request::decode(bytes).map_err(|error| Status::invalid_argument(error.to_string()))?;
    // Until then nobody knows whether the disk was set back.
    if !context.ledger.begun.load(Ordering::Acquire) {
        return Err(Status::unavailable("this node has begun no run yet, and votes after that"));
    }
    let view = context.read(|replica| replica.register_view(request.register().as_str()));
    let register = view.as_ref().and_then(register_of).ok_or_else(|| unknown(&request))?;
    let id = *register.id().as_bytes();
    let slot = context.quorum.vote_slot(id);
    let mut slot = slot.lock().await;
    let voter = match &mut *slot {
        Some(voter) => voter,
        empty => empty.insert(open(context, &register).await?),
    };
    match voter.handle(boot_time(), &request) {
        Outcome::Send(response) => Ok(response.encode()),
        Outcome::Sync(pending) => {
            let record = pending.record().encode();
            let kept = blocking(&context.ledger.store, move |store| store.put_vote(&id, &record)).await;
            kept.map_err(|error| Status::unavailable(format!("a vote can't be kept: {error}")))?;
            Ok(voter.into_response(pending).encode())
        }
    }
}

/// The voter of a register, as the disk has it.
async fn open(context: &NodeContext, register: &Register) -> Result<LeaseVoter, Status> {
    let id = *register.id().as_bytes();
    let unreadable =
        |error: &dyn std::fmt::Display| Status::unavailable(format!("this node can't read its votes: {error}"));
    let (key, stored) = blocking(&context.ledger.store, move |store| Ok((store.voter_key()?, store.vote(&id)?)))
        .await
        .map_err(|error| unreadable(&error))?;
    let Some(stored) = stored else { return Ok(LeaseVoter::new(key, register, boot_time())) };
    let record = Record::decode(&stored).map_err(|error| unreadable(&error))?;
    LeaseVoter::restore(key, register, record, boot_time()).map_err(|error| unreadable(&error))
}

fn unknown(request: &Request) -> Status {
    let message = format!("this node has not heard of {} yet; it comes with replicated state", request.register());
    Cause::new(Code::Unavailable, "UNKNOWN_REGISTER", message).into()
}
