//! Members: who gossip says belongs to the cluster, and where they are reached. A hint: who a node is and what it
//! says is proven over gRPC.

use std::net::SocketAddr;

use psi_replica::{Digest, NodeId};

/// A node as gossip knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub node: NodeId,
    /// When its process started, microseconds since the Unix epoch; tells runs of one node apart.
    pub generation: u64,
    /// Whether gossip hears from it.
    pub live: bool,
    /// Where its gossip is reached.
    pub gossip: SocketAddr,
    /// Where its gRPC is reached, once it said so.
    pub grpc: Option<SocketAddr>,
    /// Where its HTTP is reached, once it said so.
    pub http: Option<SocketAddr>,
    /// Whether it says that it takes steps.
    pub ready: bool,
    /// Frontier hash and digest as it published them last.
    pub agreement: Option<(Digest, Digest)>,
}

/// Of several runs of a node, keeps the live one, or else the latest. In order of their names.
pub(crate) fn by_node(mut members: Vec<Member>) -> Vec<Member> {
    members.sort_by(|a, b| {
        let later_first = (b.live, b.generation).cmp(&(a.live, a.generation));
        a.node.cmp(&b.node).then(later_first)
    });
    members.dedup_by(|later, first| later.node == first.node);
    members
}
