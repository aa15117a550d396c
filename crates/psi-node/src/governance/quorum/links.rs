//! How voters are reached.

use std::sync::Arc;

use psi_api::v1::AskRequest;
use psi_quorum::{Request, Response};
use psi_security::node_key::NodePublicKey;
use tokio::time::timeout;
use tracing::debug;

use super::{
    peers::{ANSWER, client, node_of},
    voters::answer,
};
use crate::node::context::NodeContext;

/// Asks one voter; `None` if it can't be reached, or does not answer in time.
pub(super) async fn ask(context: &Arc<NodeContext>, to: NodePublicKey, request: &Request) -> Option<Response> {
    let bytes = request.encode();
    let response = if context.ledger.store.voter_key().ok() == Some(to) {
        answer(context, &bytes).await
    } else {
        let node = node_of(context, to)?;
        let mut client = client(context, &node)?;
        let asked = timeout(ANSWER, client.ask(AskRequest { request: bytes })).await;
        let answered = asked.inspect_err(|_| debug!(%node, "a voter is silent")).ok()?;
        answered.map(|answer| answer.into_inner().response)
    };
    match response {
        Ok(bytes) => Response::decode(&bytes).inspect_err(|error| debug!("no answer of a voter: {error}")).ok(),
        Err(status) => {
            debug!("a voter did not answer: {}", status.message());
            None
        }
    }
}
