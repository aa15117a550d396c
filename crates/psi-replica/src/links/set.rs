//! All links of a replica, and what only all of them together can tell.

use std::collections::BTreeMap;

use super::{
    inbox::Arrival,
    link::{Link, LinkId},
};
use crate::{
    entry::{
        clock::TickMs,
        name::NodeId,
        origin::{Origin, Version},
    },
    store::ListingSource,
};

/// The links that stand.
#[derive(Debug, Default)]
pub(crate) struct LinkSet {
    links: BTreeMap<LinkId, Link>,
}

impl LinkSet {
    pub(crate) fn open(&mut self, id: LinkId, now: TickMs, held: &impl ListingSource) {
        self.links.insert(id, Link::new(now, held));
    }

    pub(crate) fn close(&mut self, id: LinkId) -> Option<Link> {
        self.links.remove(&id)
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.links.iter().map(|(id, link)| (*id, link))
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    pub(crate) fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.links.values_mut()
    }

    /// Whether a node is at the other end of some link.
    pub(crate) fn is_linked(&self, node: &NodeId) -> bool {
        self.links().any(|link| link.peer_node() == Some(node))
    }

    /// Whether some peer holds more than `version` of an origin.
    pub(crate) fn any_holds_more(&self, origin: &Origin, version: Version) -> bool {
        self.links().any(|link| link.peer_frontier().version(origin) > version)
    }

    /// How a delta of `origin` is arriving over the best of the links.
    pub(crate) fn arrival(&self, origin: &Origin, now: TickMs) -> Option<Arrival> {
        self.links().filter_map(|link| link.inbox.arrival(origin, now)).max()
    }

    /// Links whose peer holds more than `held` of `origin`: the quick ones, or all of them every other time that it was
    /// `asked` for without success. A peer that takes seconds would hold up what another has at hand.
    pub(crate) fn quick_holders(&self, origin: &Origin, held: Version, asked: u32) -> Vec<LinkId> {
        let holders = || self.iter().filter(|(_, link)| link.peer_frontier().version(origin) > held);
        let pace = |link: &Link| link.timeout_ms(0);
        let quickest = holders().map(|(_, link)| pace(link)).min().unwrap_or(0);
        let limit = if asked.is_multiple_of(2) { quickest.saturating_mul(2) } else { u64::MAX };
        holders().filter(|(_, link)| pace(link) <= limit).map(|(id, _)| id).collect()
    }

    /// The next member that a joiner may follow, after `member` in the order of names.
    pub(crate) fn leader_after(&self, member: &NodeId) -> Option<&Link> {
        let leaders = || self.links().filter(|link| link.may_lead() && link.peer().is_some());
        let after = leaders().filter(|link| link.peer_node().is_some_and(|node| node > member));
        after.min_by_key(|link| link.peer_node()).or_else(|| leaders().min_by_key(|link| link.peer_node()))
    }
}
