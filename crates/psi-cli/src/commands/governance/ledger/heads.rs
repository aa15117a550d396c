//! The heads that a node believes.

use psi_api::v1::{ListHeadsRequest, ListHeadsResponse};

use crate::{
    client::{self, Nodes},
    output::Failure,
};

/// The heads that a node believes.
pub(super) async fn heads(nodes: &Nodes) -> Result<ListHeadsResponse, Failure> {
    let reply = nodes.ask(async |channel| client::ledger(channel).list_heads(ListHeadsRequest {}).await);
    Ok(reply.await?.answer)
}
