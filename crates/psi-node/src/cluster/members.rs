//! Members of the cluster and their addresses, by gossip. A hint: links prove identity and state.

use std::net::SocketAddr;

use psi_replica::{Digest, NodeId};

use crate::settings::Addresses;

/// A node as gossip knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) node: NodeId,
    /// When its process started, microseconds since the Unix epoch; distinguishes runs of one node.
    pub(crate) generation: u64,
    /// Gossip receives its heartbeats, and it has not announced that it leaves.
    pub(crate) live: bool,
    /// It has announced that it leaves; true of such a run for as long as gossip remembers it.
    pub(crate) left: bool,
    /// Its gossip address.
    pub(crate) gossip: SocketAddr,
    /// Its gRPC address, once published.
    pub(crate) grpc: Option<SocketAddr>,
    /// Its HTTP address, once published.
    pub(crate) http: Option<SocketAddr>,
    /// It has published that it accepts steps.
    pub(crate) ready: bool,
    /// The incarnation that its replica has minted, once published.
    pub(crate) incarnation: Option<u64>,
    /// The frontier hash and digest that it published last.
    pub(crate) agreement: Option<(Digest, Digest)>,
}

impl Member {
    /// This node, as far as it is known before gossip has begun.
    pub(crate) fn own(node: &NodeId, addresses: Addresses) -> Self {
        Self {
            node: node.clone(),
            generation: 0,
            live: true,
            left: false,
            gossip: addresses.gossip,
            grpc: Some(addresses.grpc),
            http: Some(addresses.http),
            ready: false,
            incarnation: None,
            agreement: None,
        }
    }
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

/// Adds those that gossip knew before it started over, as dead until it finds them again: they are still members.
pub(crate) fn with_remembered(mut members: Vec<Member>, remembered: &[Member]) -> Vec<Member> {
    let forgotten = |old: &&Member| !members.iter().any(|member| member.node == old.node);
    let dead: Vec<Member> =
        remembered.iter().filter(forgotten).map(|old| Member { live: false, ..old.clone() }).collect();
    members.extend(dead);
    by_node(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(node: &str, generation: u64, live: bool) -> Member {
        Member {
            node: NodeId::new(node).unwrap(),
            generation,
            live,
            left: false,
            gossip: SocketAddr::from(([127, 0, 0, 1], 7280)),
            grpc: None,
            http: None,
            ready: false,
            incarnation: None,
            agreement: None,
        }
    }

    #[test]
    fn of_several_runs_the_live_one_counts_or_else_the_latest() {
        let runs = vec![
            member("b", 1, false),
            member("a", 1, true),
            member("a", 2, false),
            member("b", 3, false),
            member("c", 1, true),
            member("c", 2, true),
        ];
        let kept: Vec<_> =
            by_node(runs).into_iter().map(|member| (member.node.to_string(), member.generation)).collect();
        assert_eq!(kept, [("a".to_owned(), 1), ("b".to_owned(), 3), ("c".to_owned(), 2)]);
    }

    #[test]
    fn who_was_known_before_gossip_started_over_is_a_member_still() {
        let before = [member("a", 1, true), member("b", 1, true), member("c", 1, false)];
        let kept: Vec<_> = with_remembered(vec![member("a", 2, true)], &before)
            .into_iter()
            .map(|member| (member.node.to_string(), member.generation, member.live))
            .collect();
        let want = [("a", 2, true), ("b", 1, false), ("c", 1, false)];
        assert_eq!(kept, want.map(|(node, generation, live)| (node.to_owned(), generation, live)));
    }
}
