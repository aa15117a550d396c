//! Members of the cluster and their addresses, by gossip. A hint: links prove identity and state.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use psi_replica::{Digest, NodeId, PROTOCOL};
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
    /// The version of the program that it runs; empty until published.
    pub(crate) version: String,
    /// The greatest protocol version that it speaks, once published.
    pub(crate) protocol: Option<u32>,
    /// How far the run has come with its name.
    pub(crate) claim: ClaimStage,
    /// Where other runs of the node wait for the name.
    pub(crate) namesakes: Vec<SocketAddr>,
    /// That it signs by a key, as it has published that; not verified.
    pub(crate) voucher: Option<String>,
}

/// How far a run has come with the name of its node, as it has published that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimStage {
    /// It looks for another run.
    Open,
    /// Another run has the name.
    Waits,
    Held,
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
            version: crate::VERSION.to_owned(),
            protocol: Some(PROTOCOL),
            claim: ClaimStage::Open,
            namesakes: Vec::new(),
            voucher: None,
        }
    }
}

/// A run as gossip identifies it: its generation and gossip address.
pub(crate) type RunKey = (u64, SocketAddr);

impl Member {
    fn run_key(&self) -> RunKey {
        (self.generation, self.gossip)
    }
}

/// Of several runs of a node, keeps one; others that live and wait are its namesakes. In order of their names.
///
/// A run that lives and does not wait comes first. The `own` run, and the one that `is_kept` for a node already, stay
/// for as long as that is true of them: anyone can name a later run of a node by gossip. Then the one that has the name
/// counts, one whose gRPC address is known, and the latest.
pub(crate) fn by_node(
    mut members: Vec<Member>,
    own: Option<(&NodeId, RunKey)>,
    is_kept: impl Fn(&Member) -> bool,
) -> Vec<Member> {
    let rank = |run: &Member| {
        let has_name = run.claim == ClaimStage::Held;
        let is_own = own.is_some_and(|(node, key)| run.node == *node && run.run_key() == key);
        let works = run.live && run.claim != ClaimStage::Waits;
        (works, run.live, is_own, run.live && is_kept(run), has_name, run.live && run.grpc.is_some(), run.generation)
    };
    members.sort_by(|a, b| a.node.cmp(&b.node).then_with(|| rank(b).cmp(&rank(a))));
    members.dedup_by(|run, kept| {
        let is_same_node = run.node == kept.node;
        // A run that has just gone on as another is at the same address.
        if is_same_node && run.live && run.claim == ClaimStage::Waits && run.gossip != kept.gossip {
            kept.namesakes.push(run.grpc.unwrap_or(run.gossip));
        }
        is_same_node
    });
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
    /// is one of them until it has not been live for `grace`. `own` is this node's run.
    pub(crate) fn update(
        &mut self,
        runs: Vec<Member>,
        own: Option<(&NodeId, RunKey)>,
        now: Instant,
        grace: Duration,
    ) -> Vec<Member> {
        let is_kept =
            |run: &Member| self.known.get(&run.node).is_some_and(|(known, _)| known.run_key() == run.run_key());
        let named = by_node(runs, own, is_kept);
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
            version: String::new(),
            protocol: None,
            claim: ClaimStage::Held,
            namesakes: Vec::new(),
            voucher: None,
        }
    }

    #[test]
    fn a_run_that_waits_takes_no_name_and_is_shown_beside_the_one_that_has_it() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let run = |generation, claim, port, live| Member { claim, gossip: at(port), ..member("a", generation, live) };
        let (held, waits, open) = (ClaimStage::Held, ClaimStage::Waits, ClaimStage::Open);
        for (runs, kept, namesakes) in [
            (vec![run(1, held, 1, true), run(2, waits, 2, true), run(3, waits, 3, true)], 1, vec![at(3), at(2)]),
            (vec![run(1, held, 1, true), run(2, open, 2, true)], 1, vec![]),
            (vec![run(1, held, 1, true), run(2, waits, 2, false)], 1, vec![]),
            (vec![run(1, held, 1, false), run(2, waits, 2, true)], 2, vec![]),
            (vec![run(1, waits, 1, true), run(2, held, 1, true)], 2, vec![]),
        ] {
            let members = by_node(runs, None, |_| false);
            assert_eq!((members[0].generation, &members[0].namesakes), (kept, &namesakes));
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
        let kept: Vec<_> = by_node(runs, None, |_| false)
            .into_iter()
            .map(|member| (member.node.to_string(), member.generation))
            .collect();
        assert_eq!(kept, [("a".to_owned(), 1), ("b".to_owned(), 3), ("c".to_owned(), 2)]);
    }

    /// Names, generations and whether live.
    fn told(members: Vec<Member>) -> Vec<(String, u64, bool)> {
        members.into_iter().map(|member| (member.node.to_string(), member.generation, member.live)).collect()
    }

    #[test]
    fn a_later_run_that_gossip_names_takes_over_no_node_while_the_one_before_lives() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let run = |generation, port, live, claim| Member {
            claim,
            gossip: at(port),
            grpc: Some(at(port)),
            ..member("a", generation, live)
        };
        let (held, waits) = (ClaimStage::Held, ClaimStage::Waits);
        let (first, forged) = (run(1, 1, true, held), run(9, 2, true, held));
        let (begin, grace) = (Instant::now(), Duration::from_secs(60));
        for (what, later, kept) in [
            ("it lives", vec![first.clone(), forged.clone()], 1),
            ("it has died", vec![run(1, 1, false, held), forged.clone()], 9),
            ("it waits", vec![run(1, 1, true, waits), forged.clone()], 9),
            ("both wait", vec![run(1, 1, true, waits), run(9, 2, true, waits)], 1),
            ("another has its generation", vec![first.clone(), run(1, 2, true, held)], 1),
        ] {
            let mut memory = MemberMemory::default();
            memory.update(vec![first.clone()], None, begin, grace);
            let members = memory.update(later, None, begin, grace);
            assert_eq!((members[0].generation, members[0].gossip == at(1)), (kept, kept == 1), "{what}");
        }
        let node = NodeId::new("a").unwrap();
        let own = Some((&node, (1, at(1))));
        let members = MemberMemory::default().update(vec![forged, first], own, begin, grace);
        assert_eq!(members[0].generation, 1, "a node is never another run to itself");
    }

    #[test]
    fn who_was_known_before_gossip_started_over_is_a_member_still() {
        let (mut memory, begin, grace) = (MemberMemory::default(), Instant::now(), Duration::from_secs(60));
        let after = |seconds| begin + Duration::from_secs(seconds);
        memory.update(vec![member("a", 1, true), member("b", 1, true), member("c", 1, false)], None, begin, grace);
        let started_over = told(memory.update(vec![member("a", 2, true)], None, after(10), grace));
        let want =
            [("a", 2, true), ("b", 1, false), ("c", 1, false)].map(|(name, run, live)| (name.to_owned(), run, live));
        assert_eq!(started_over, want);
    }

    #[test]
    fn a_dead_node_is_a_member_for_as_long_as_the_grace_after_it_was_live() {
        let (mut memory, begin, grace) = (MemberMemory::default(), Instant::now(), Duration::from_secs(60));
        let after = |seconds| begin + Duration::from_secs(seconds);
        memory.update(vec![member("a", 1, true)], None, begin, grace);
        memory.update(vec![member("a", 1, true)], None, after(30), grace);
        assert_eq!(
            told(memory.update(vec![member("a", 1, false)], None, after(89), grace)),
            [("a".to_owned(), 1, false)]
        );
        assert_eq!(
            told(memory.update(Vec::new(), None, after(89), grace)),
            [("a".to_owned(), 1, false)],
            "gossip forgot it"
        );
        assert_eq!(told(memory.update(Vec::new(), None, after(90), grace)), []);
        assert_eq!(
            told(memory.update(vec![member("a", 2, true)], None, after(99), grace)),
            [("a".to_owned(), 2, true)]
        );
    }
}
