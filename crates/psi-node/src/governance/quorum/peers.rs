//! Other nodes: which has the key of a voter, and clients of them.

use std::time::Duration;

use psi_api::v1::quorum_service_client::QuorumServiceClient;
use psi_replica::NodeId;
use psi_security::node_key::NodePublicKey;
use tonic::transport::Channel;

use super::registers::key_of;
use crate::node::context::NodeContext;

/// A voter that is silent for so long is asked again by the proposer.
pub(crate) const ANSWER: Duration = Duration::from_secs(1);

/// A client of a node, which is kept from call to call.
pub(crate) fn client(context: &NodeContext, node: &NodeId) -> Option<QuorumServiceClient<Channel>> {
    let members = context.members.borrow().clone();
    let address = members.iter().find(|member| member.node == *node && member.live)?.grpc?;
    let mut clients = context.quorum.clients();
    if let Some((known, client)) = clients.get(node)
        && *known == address
    {
        return Some(client.clone());
    }
    let channel = context
        .identity
        .dial_lazily(address, Some(node), |endpoint| endpoint.connect_timeout(ANSWER).tcp_nodelay(true));
    let client = QuorumServiceClient::new(channel.ok()?);
    clients.insert(node.clone(), (address, client.clone()));
    Some(client)
}

/// The node whose store has a key: as it shows itself, or as it was when voters were named.
pub(crate) fn node_of(context: &NodeContext, key: NodePublicKey) -> Option<NodeId> {
    context.read(|replica| {
        let shown = replica.ledger_heads();
        let of_head = shown.iter().rev().find(|head| key_of(&head.voter_key) == Some(key));
        let named = || {
            let voters = replica.voters();
            let of_key = voters.into_iter().find(|voter| key_of(&voter.key) == Some(key))?;
            NodeId::new(&of_key.node).ok()
        };
        of_head.map(|head| head.author.node.clone()).or_else(named)
    })
}
