//! Members of the cluster and their addresses, by gossip. A hint: links prove identity and state.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use psi_replica::{Digest, NodeId};
use tokio::time::Instant;

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

/// The members that gossip knew. Gossip forgets a run that is dead sooner than its node stops being a member, since
/// each restart makes a run; and a gossip loop that starts over knows none, and a majority of none is no majority.
#[derive(Debug, Default)]
pub(crate) struct MemberMemory {
    /// Each with when it was live last, or first known.
    known: BTreeMap<NodeId, (Member, Instant)>,
}

impl MemberMemory {
    /// The members after gossip has named its runs, in order of their names. A node that is dead, or not named any more,
    /// is one of them until it has not been live for `grace`.
    pub(crate) fn update(&mut self, runs: Vec<Member>, now: Instant, grace: Duration) -> Vec<Member> {
        let named = by_node(runs);
        for (member, _) in self.known.values_mut() {
            member.live = false;
        }
        for member in named {
            let since = self.known.get(&member.node).map(|(_, since)| *since).filter(|_| !member.live);
            self.known.insert(member.node.clone(), (member, since.unwrap_or(now)));
        }
        self.known.retain(|_, (member, since)| member.live || now.duration_since(*since) < grace);
        self.known.values().map(|(member, _)| member.clone()).collect()
    }
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

    /// Names, generations and whether live.
    fn told(members: Vec<Member>) -> Vec<(String, u64, bool)> {
        members.into_iter().map(|member| (member.node.to_string(), member.generation, member.live)).collect()
    }

    #[test]
    fn who_was_known_before_gossip_started_over_is_a_member_still() {
        let (mut memory, begin, grace) = (MemberMemory::default(), Instant::now(), Duration::from_secs(60));
        let after = |seconds| begin + Duration::from_secs(seconds);
        memory.update(vec![member("a", 1, true), member("b", 1, true), member("c", 1, false)], begin, grace);
        let started_over = told(memory.update(vec![member("a", 2, true)], after(10), grace));
        let want =
            [("a", 2, true), ("b", 1, false), ("c", 1, false)].map(|(name, run, live)| (name.to_owned(), run, live));
        assert_eq!(started_over, want);
    }

    #[test]
    fn a_dead_node_is_a_member_for_as_long_as_the_grace_after_it_was_live() {
        let (mut memory, begin, grace) = (MemberMemory::default(), Instant::now(), Duration::from_secs(60));
        let after = |seconds| begin + Duration::from_secs(seconds);
        memory.update(vec![member("a", 1, true)], begin, grace);
        memory.update(vec![member("a", 1, true)], after(30), grace);
        assert_eq!(told(memory.update(vec![member("a", 1, false)], after(89), grace)), [("a".to_owned(), 1, false)]);
        assert_eq!(told(memory.update(Vec::new(), after(89), grace)), [("a".to_owned(), 1, false)], "gossip forgot it");
        assert_eq!(told(memory.update(Vec::new(), after(90), grace)), []);
        assert_eq!(told(memory.update(vec![member("a", 2, true)], after(99), grace)), [("a".to_owned(), 2, true)]);
    }
}
