//! What a replica shows of its links, for metrics, people and tests.

use std::collections::BTreeSet;

use super::Replica;
use crate::{
    entry::{
        clock::{Now, WallMs},
        frontier::Frontier,
        name::NodeId,
        origin::{Origin, Version},
    },
    links::link::{Backlog, Link, LinkCounts, LinkId, Peer},
    state::State,
};

/// A link as it stands, for metrics and people.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkStatus {
    /// Who is at the other end; `None` until it has introduced itself.
    pub peer: Option<Peer>,
    /// What the peer is known to hold of this replica's own origin.
    pub holds_own: Version,
    /// How long the oldest own write that the peer is not known to hold has been flushed, milliseconds; 0 if it is
    /// known to hold all.
    pub lag_ms: u64,
    /// Peer's wall clock minus ours, milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// What has crossed.
    pub counts: LinkCounts,
}

/// How the own clocks stand against the members'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeStatus {
    /// The members' wall time minus the own wall clock, milliseconds.
    pub offset_ms: i64,
    /// The own wall clock differs from more than half of all members' clocks: it is off.
    pub is_off: bool,
    /// The own steady clock.
    pub steady: WallMs,
    /// What the members that have joined agree on.
    pub agreed: WallMs,
    /// By it writes are stamped.
    pub hybrid: WallMs,
    /// Hybrid time minus wall time, milliseconds; seconds and more after clocks were set back.
    pub lead_ms: i64,
}

impl<S: State> Replica<S> {
    /// Links that stand.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, LinkStatus)> {
        let own = self.local.origin();
        self.links.iter().map(move |(id, link)| {
            let status = LinkStatus {
                peer: link.peer().cloned(),
                holds_own: own.map_or(Version::ZERO, |own| link.peer_frontier().version(own)),
                lag_ms: link.behind_since().map_or(0, |since| self.ticked.since(since)),
                clock_offset_ms: self.offset_of(link),
                counts: link.counts,
            };
            (id, status)
        })
    }

    /// A peer's wall clock minus the own one.
    fn offset_of(&self, link: &Link) -> Option<i64> {
        self.time.members().offset_ms(link.peer_node()?, self.moment)
    }

    /// What the clocks showed when the replica was called last; [`Replica::time`] is as of then.
    #[must_use]
    pub fn moment(&self) -> Now {
        self.moment
    }

    /// How the own clocks stand against the members'.
    #[must_use]
    pub fn time(&self) -> TimeStatus {
        TimeStatus {
            offset_ms: self.time.offset_ms(),
            is_off: self.time.is_off(),
            steady: self.time.steady(),
            agreed: self.time.agreed(),
            hybrid: self.time.hybrid(),
            lead_ms: self.time.lead_ms(),
        }
    }

    /// What the peer of a link is known to hold; `None` if there is no such link.
    #[must_use]
    pub fn peer_frontier(&self, link: LinkId) -> Option<&Frontier> {
        Some(self.links.get(link)?.peer_frontier())
    }

    /// What a link keeps in memory; `None` if there is no such link.
    #[must_use]
    pub fn backlog(&self, link: LinkId) -> Option<Backlog> {
        Some(self.links.get(link)?.backlog())
    }

    /// Origins of which some peer is known to hold more.
    #[must_use]
    pub fn gaps(&self) -> usize {
        self.gaps.len()
    }

    /// Nodes at the other end of a link that are known to hold this replica's own writes up to `version`. Those that
    /// held it and are gone are not among them.
    #[must_use]
    pub fn holders(&self, version: Version) -> BTreeSet<NodeId> {
        let holding = self.links().filter(|(_, link)| link.holds_own >= version);
        holding.filter_map(|(_, link)| Some(link.peer?.node)).collect()
    }

    /// Whether every linked node is known to hold all that this replica wrote, over one link or another: an old link to
    /// it may be dead and not know it yet. Of earlier runs of the node, of others that are over, and of bases that it may
    /// have brought with it, one such node is enough: the others may be about to end these, and take nothing until then.
    #[must_use]
    pub fn has_handed_over(&self) -> bool {
        let own = self.local.origin();
        let holds = |link: &Link, run: &Origin| link.peer_frontier().version(run) >= self.store.version(run);
        let links = || self.links.links().filter_map(|link| Some((link.peer_node()?, link)));
        let holders: BTreeSet<&NodeId> =
            links().filter(|(_, link)| own.is_none_or(|own| holds(link, own))).map(|(node, _)| node).collect();
        let is_earlier = |origin: &Origin| origin.node == self.config.node && Some(origin) < own;
        let is_over = |run: &Origin| self.ends.registers.is_closed(run) || self.ends.silent.contains(run);
        let is_other = |origin: &Origin| is_earlier(origin) || Some(origin) != own && is_over(origin);
        let mut others = self.store.logs().map(|(origin, _)| origin).filter(|it| is_other(it) || it.is_former_base());
        !self.is_dirty()
            && links().all(|(node, _)| holders.contains(node))
            && (links().next().is_none() || others.all(|run| links().any(|(_, link)| holds(link, run))))
    }
}
