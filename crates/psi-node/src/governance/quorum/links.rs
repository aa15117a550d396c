//! How voters are reached.

use std::sync::Arc;

use psi_api::v1::AskRequest;
use psi_quorum::{Request, Response};
use psi_security::node_key::NodePublicKey;
use tokio::time::timeout;
use tonic::Code;
use tracing::debug;

use super::{
    peers::{ANSWER, client, node_of},
    voters::answer,
};
use crate::node::context::NodeContext;

/// Why a voter gave no answer.
pub(super) enum NoAnswer {
    /// It can't be reached, or can't vote at this time, or was silent for too long.
    Silent,
    /// It votes for nothing of the kind: why.
    Refused(String),
}

/// Asks one voter. `transition`: what is proposed, as nodes keep it, or nothing.
pub(super) async fn ask(
    context: &Arc<NodeContext>,
    to: NodePublicKey,
    (request, transition): (&Request, &[u8]),
) -> Result<Response, NoAnswer> {
    let bytes = request.encode();
    let response = if context.ledger.store.voter_key().ok() == Some(to) {
        // It is on this disk already.
        answer(context, &bytes, Vec::new()).await
    } else {
        let node = node_of(context, to).ok_or(NoAnswer::Silent)?;
        let mut client = client(context, &node).ok_or(NoAnswer::Silent)?;
        let asked = timeout(ANSWER, client.ask(AskRequest { request: bytes, transition: transition.to_vec() })).await;
        let asked = asked.inspect_err(|_| debug!(%node, "a voter is silent"));
        asked.map_err(|_| NoAnswer::Silent)?.map(|answer| answer.into_inner().response)
    };
    match response {
        Ok(bytes) => Response::decode(&bytes).map_err(|error| {
            debug!("no answer of a voter: {error}");
            NoAnswer::Silent
        }),
        Err(status) => {
            debug!("a voter did not answer: {}", status.message());
            let is_refusal = status.code() == Code::FailedPrecondition;
            Err(if is_refusal { NoAnswer::Refused(status.message().to_owned()) } else { NoAnswer::Silent })
        }
    }
}
