//! What other nodes hold of processes.

use psi_api::v1::{FetchRequest, KeepRequest};
use psi_replica::NodeId;
use tokio::time::timeout;
use tracing::debug;

use crate::{
    governance::quorum::peers::{ANSWER, client},
    node::context::NodeContext,
};

/// The other live members, the one that is wanted first before them.
pub(super) fn live_others(context: &NodeContext, first: Option<&NodeId>) -> Vec<NodeId> {
    let own = &context.settings.node;
    let members = context.members.borrow();
    let live = members.iter().filter(|member| member.live && member.node != *own && member.grpc.is_some());
    let mut nodes: Vec<_> = live.map(|member| member.node.clone()).collect();
    nodes.sort_by_key(|node| (Some(node) != first, node.clone()));
    nodes
}

/// Asks a node for what it holds; `None` if it holds none, or does not answer in time.
pub(super) async fn fetch(context: &NodeContext, node: &NodeId, request: FetchRequest) -> Option<Vec<u8>> {
    let mut client = client(context, node)?;
    match timeout(ANSWER, client.fetch(request)).await {
        Ok(Ok(answer)) => Some(answer.into_inner().bytes),
        Ok(Err(status)) => {
            debug!(%node, "nothing was fetched: {}", status.message());
            None
        }
        Err(_) => {
            debug!(%node, "nothing was fetched within {ANSWER:?}");
            None
        }
    }
}

/// Has a node keep a piece of evidence. Returns whether it does.
pub(super) async fn keep(context: &NodeContext, node: &NodeId, request: KeepRequest) -> bool {
    let Some(mut client) = client(context, node) else { return false };
    matches!(timeout(ANSWER, client.keep(request)).await, Ok(Ok(_)))
}
