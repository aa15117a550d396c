//! This node's votes: what it promised and accepted is on its disk before anyone hears of it.

use std::sync::{Arc, atomic::Ordering};

use psi_api::Cause;
use psi_quorum::{Outcome, Record, RecordError, Register, RegisterName, Request};
use psi_security::node_key::NodePublicKey;
use tonic::{Code, Status};
use tracing::debug;

use super::{
    register_voter::RegisterVoter,
    registers::{is_lease, register_of},
};
use crate::{
    governance::{
        ledger::store::{LedgerStore, blocking},
        process::proposal::check_proposal,
    },
    node::context::NodeContext,
};

/// Answers a proposer. Both are bytes of psi-quorum. `transition`: what is proposed, as nodes keep it, or nothing. A proposer that hangs up does not end the vote: what is written of it
/// would come to the disk later than the next one's.
///
/// # Errors
/// This node can't vote, at least not now.
pub(crate) async fn answer(context: &Arc<NodeContext>, bytes: &[u8], transition: Vec<u8>) -> Result<Vec<u8>, Status> {
    let request = Request::decode(bytes).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let context = context.clone();
    let vote = tokio::spawn(async move { vote(&context, &request, transition).await });
    vote.await.unwrap_or_else(|gone| Err(Status::unavailable(format!("the vote did not end: {gone}"))))
}

async fn vote(context: &Arc<NodeContext>, request: &Request, transition: Vec<u8>) -> Result<Vec<u8>, Status> {
    // Until then nobody knows whether the disk was set back.
    if !context.ledger.begun.load(Ordering::Acquire) {
        return Err(Status::unavailable("this node has begun no run yet, and votes after that"));
    }
    let view = context.read(|replica| replica.register_view(request.register().as_str()));
    let register = view.as_ref().and_then(register_of).ok_or_else(|| unknown(request))?;
    let given = if is_lease(register.name()) {
        None
    } else {
        check_proposal(context, request, transition).await.map_err(Status::failed_precondition)?
    };
    // By its name: a voter that took part in a register refuses another of that name.
    let place = vote_place(register.name());
    let slot = context.quorum.vote_slot(place);
    let mut slot = slot.lock().await;
    let key = blocking(&context.ledger.store, LedgerStore::voter_key).await.map_err(|error| unreadable(&error))?;
    let voter = match slot.take() {
        Some(voter) if voter.voter().key() == key => slot.insert(voter),
        _ => slot.insert(open(context, &register, key).await?),
    };
    let outcome = voter.handle(request);
    show(context, &register, voter);
    match outcome {
        Outcome::Send(response) => Ok(response.encode()),
        Outcome::Sync(pending) => {
            let record = pending.record().encode();
            let kept =
                blocking(&context.ledger.store, move |store| store.put_vote(&place, &record, given.as_ref())).await;
            if let Err(error) = kept {
                // What the voter has in memory is not on the disk, nor what it voted for: the next looks at the disk.
                *slot = None;
                return Err(Status::unavailable(format!("a vote can't be kept: {error}")));
            }
            Ok(voter.synced(pending).encode())
        }
    }
}

/// Shows what was decided in a register that holds no lease: its proposer may have died before it could.
fn show(context: &NodeContext, register: &Register, voter: &RegisterVoter) {
    let (name, step) = (register.name(), voter.voter().last().step().0);
    if is_lease(name) || step == 0 {
        return;
    }
    let decision = voter.voter().announcement().encode();
    let shown = context.write(|replica, now| replica.show_decision(now, name.as_str(), step, decision.into()));
    shown.err().into_iter().for_each(|error| debug!(register = %name, "a decision is not shown yet: {error}"));
}

/// Where the votes of a register are kept.
pub(super) fn vote_place(register: &RegisterName) -> [u8; 32] {
    *blake3::hash(register.as_str().as_bytes()).as_bytes()
}

/// The voter of a register, as the disk has it.
async fn open(context: &NodeContext, register: &Register, key: NodePublicKey) -> Result<RegisterVoter, Status> {
    let place = vote_place(register.name());
    let stored = blocking(&context.ledger.store, move |store| store.vote(&place)).await;
    let stored = stored.map_err(|error| unreadable(&error))?;
    let Some(stored) = stored else { return Ok(RegisterVoter::new(key, register)) };
    let record = Record::decode(&stored).map_err(|error| unreadable(&error))?;
    match RegisterVoter::restore(key, register, record) {
        Ok(voter) => Ok(voter),
        // What another key voted says nothing of this one, which never did.
        Err(RecordError::OtherVoter { .. }) => Ok(RegisterVoter::new(key, register)),
        Err(error) => Err(unreadable(&error)),
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> Status {
    Status::unavailable(format!("this node can't read its votes: {error}"))
}

fn unknown(request: &Request) -> Status {
    let message = format!("this node has not heard of {} yet; it comes with replicated state", request.register());
    Cause::new(Code::Unavailable, "UNKNOWN_REGISTER", message).into()
}
