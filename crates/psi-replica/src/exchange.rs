//! Links: what a replica makes of its peers' frames, and what it has to say to them.
//!
//! An origin pushes its own entries to every peer as soon as they are flushed. Everything else is pulled: a
//! replica that has lacked something for 100 ms, though a peer shows it in its frontier, asks one such peer for
//! it. So first-hand comes first, nothing is relayed to who has it, and a joiner takes each origin from one
//! member. Any frame may be lost or repeated; time-outs send passes again.
//!
//! Here is what frames do to links; what passes do to the state is in `receive.rs`, what links say in `speak.rs`.

use crate::{
    PROTOCOL,
    clock::{Now, TickMs, WallMs},
    event::Event,
    frontier::Frontier,
    key::Key,
    lacking::Lack,
    link::{Arrival, Link, LinkCounts, LinkId, Peer},
    name::{NAME_LENGTH_MAX, NodeId, cut},
    news::{Learned, NewsError, ORIGINS_MAX, ORIGINS_PER_FRAME},
    origin::{Origin, Version},
    proto::{self, frame::Body},
    refusal::LinkError,
    replica::{CatchUp, Join, Replica},
    skew::AHEAD_MS_MAX,
};

/// How long something may be lacking before a peer is asked for it: the origin's own push comes first.
const FIRST_HAND_MS: u64 = 100;
/// How long a peer that was asked may take to begin, beyond the link's round trip, until another is asked.
const ASK_MS: u64 = 50;
/// So many times [`FIRST_HAND_MS`] asking is put off for passes that have just begun to arrive.
const PUT_OFF_MAX: u32 = 5;
/// Longest such round trip that is waited for.
const ASK_MS_MAX: u64 = 1_000;
/// Characters kept of what a peer says of a refusal.
const DETAIL_SHOWN: usize = 500;
/// How long a joiner may get nowhere until it looks to another member.
const STUCK_MS: u64 = 10_000;

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
    /// Peer's wall clock less ours, milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// What has crossed.
    pub counts: LinkCounts,
}

/// What a link keeps in memory until its transport has room, or the rest has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Entries of passes under way to the peer; their bytes are shared with the state until it moves on.
    pub frozen_entries: usize,
    /// Bytes of passes that have not wholly arrived.
    pub staged_bytes: usize,
    /// Origins of which something is to be said: frontier moves, acknowledgements, requests, refusals.
    pub waiting: usize,
}

impl Replica {
    /// A connection to a peer stands. Both sides then introduce themselves.
    pub fn link_up(&mut self, now: Now, link: LinkId) {
        self.links.insert(link, Link::new(now.tick, self.frontier()));
    }

    /// A connection is gone. A joiner that was catching up over it looks to another member.
    pub fn link_down(&mut self, now: Now, link: LinkId) {
        let Some(gone) = self.links.remove(&link).and_then(|link| link.peer) else { return };
        if matches!(&self.join, Join::CatchingUp(with) if with.member == gone.node) {
            let other = self.links.values().find_map(|link| catch_up_with(link, now.tick));
            self.join = other.unwrap_or(Join::Alone { since: now.tick });
            self.tick(now);
        }
    }

    /// Links that stand.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, LinkStatus)> {
        self.links.iter().map(|(id, link)| {
            let status = LinkStatus {
                peer: link.peer.clone(),
                holds_own: self.me.as_ref().map_or(Version::ZERO, |me| link.theirs().version(me)),
                lag_ms: link.behind_since.map_or(0, |since| self.ticked().since(since)),
                clock_offset_ms: link.clock_offset_ms(self.moment),
                counts: link.counts,
            };
            (*id, status)
        })
    }

    /// What the peer of a link is known to hold; `None` if there is no such link.
    #[must_use]
    pub fn peer_frontier(&self, link: LinkId) -> Option<&Frontier> {
        Some(self.links.get(&link)?.theirs())
    }

    /// How many origins some peer is known to hold more of.
    #[must_use]
    pub fn lacking(&self) -> usize {
        self.lacking.len()
    }

    /// What a link keeps in memory; `None` if there is no such link.
    #[must_use]
    pub fn backlog(&self, link: LinkId) -> Option<Backlog> {
        Some(self.links.get(&link)?.backlog())
    }

    /// Takes in one frame. Nothing of it is applied when it is refused.
    ///
    /// # Errors
    /// [`LinkError`] when the link can't go on: close the connection and call [`Replica::link_down`].
    pub fn handle_frame(&mut self, now: Now, id: LinkId, frame: proto::Frame) -> Result<(), LinkError> {
        self.note_now(now);
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let Some(body) = frame.body else {
            // Bodies may be added within a protocol version.
            link.peer.as_ref().ok_or(LinkError::UnknownFrame(PROTOCOL))?;
            link.counts.frames_unknown += 1;
            return Ok(());
        };
        if !matches!(body, Body::Open(_)) {
            if link.peer.is_none() {
                return Err(LinkError::OutOfTurn("a frame before Open"));
            }
            link.open_heard = true;
        }
        match body {
            Body::Open(open) => self.handle_open(now, id, &open),
            Body::News(news) => self.handle_news(now, id, news),
            Body::Heard(heard) => {
                if let Some(took_ms) = link.teller.heard(now.tick, &heard, &self.frontier) {
                    link.round_trip.sample(took_ms);
                }
                Ok(())
            }
            Body::Pass(pass) => self.handle_pass(now, id, pass),
            Body::Ack(ack) => match link.acknowledged(now.tick, ack.pass) {
                Some((origin, version)) => self.peer_holds(now, id, &origin, version),
                None => Ok(()),
            },
            Body::Refusal(refusal) => self.handle_refusal(now, id, refusal),
            Body::Request(request) => {
                let origin = Origin::try_from(request.origin)?;
                self.handle_request(id, origin, Version(request.have));
                Ok(())
            }
            Body::Beat(beat) => {
                self.handle_beat(now, id, &beat);
                Ok(())
            }
        }
    }

    fn handle_open(&mut self, now: Now, id: LinkId, open: &proto::Open) -> Result<(), LinkError> {
        if open.cluster != self.config.cluster.as_str() {
            let theirs = cut(&open.cluster, NAME_LENGTH_MAX);
            return Err(LinkError::Cluster { ours: self.config.cluster.clone(), theirs });
        }
        let ours = self.config.protocol_max();
        let protocol = ours.min(open.protocol_max);
        if protocol < open.protocol_min.max(PROTOCOL) {
            return Err(LinkError::Protocol { ours, min: open.protocol_min, max: open.protocol_max });
        }
        let node = NodeId::new(&open.node)?;
        if node == self.config.node {
            self.note_incarnation(now, open.incarnation);
            return Err(LinkError::SameNode(node));
        }
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.note_clock(now, WallMs(open.wall_ms));
        match &link.peer {
            Some(known) if known.node != node => return Err(LinkError::OutOfTurn("another Open")),
            Some(_) => {}
            None => {
                link.peer = Some(Peer { node: node.clone(), protocol });
                self.tell(Event::Opened { peer: node });
            }
        }
        self.note_ready(now, id, open.ready);
        Ok(())
    }

    fn handle_news(&mut self, now: Now, id: LinkId, news: proto::News) -> Result<(), LinkError> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let Learned { moved, listed } = link.listener.hear(news).map_err(|error| match error {
            NewsError::Origin(error) => LinkError::Origin(error),
            NewsError::TooMany => LinkError::TooManyOrigins { limit: ORIGINS_MAX },
            NewsError::TooManyMoves => LinkError::TooManyMoves { limit: ORIGINS_PER_FRAME },
        })?;
        if listed {
            link.peer_listed(Frontier::default());
        }
        for (origin, version) in &moved {
            self.peer_holds(now, id, origin, *version)?;
        }
        if listed {
            self.note_own_lag(id);
            self.note_listed(now, id);
        }
        Ok(())
    }

    /// Notes that a link's peer holds `version` of `origin`.
    pub(crate) fn peer_holds(
        &mut self,
        now: Now,
        id: LinkId,
        origin: &Origin,
        version: Version,
    ) -> Result<(), LinkError> {
        let held = self.frontier().version(origin);
        let is_own = self.me.as_ref() == Some(origin);
        if is_own && version > held {
            return Err(LinkError::OwnFuture { origin: origin.clone(), claimed: version, written: held });
        }
        if origin.node == self.config.node {
            self.note_incarnation(now, origin.incarnation);
        }
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        if link.theirs().len() >= ORIGINS_MAX && link.theirs().version(origin) == Version::ZERO {
            return Err(LinkError::TooManyOrigins { limit: ORIGINS_MAX });
        }
        link.peer_holds(origin, version);
        if is_own {
            self.note_own_lag(id);
        } else if version > held && !self.lacking.contains(origin) {
            self.note_lack(now.tick, origin);
        }
        Ok(())
    }

    /// Notes that some peer holds more of `origin`. What its own node is linked to bring is waited for a little.
    pub(crate) fn note_lack(&mut self, now: TickMs, origin: &Origin) {
        let comes_first_hand =
            self.links.values().any(|link| link.peer.as_ref().is_some_and(|peer| peer.node == origin.node));
        let ask_at = if comes_first_hand { now.plus(FIRST_HAND_MS) } else { now };
        self.lacking.insert(origin.clone(), Lack { ask_at, asked: 0, put_off: 0 });
    }

    /// Keeps track of since when a peer lacks own writes.
    pub(crate) fn note_own_lag(&mut self, id: LinkId) {
        let Some((me, link)) = self.me.as_ref().zip(self.links.get_mut(&id)) else { return };
        let theirs = link.theirs().version(me);
        link.behind_since = (theirs < self.frontier.version(me)).then(|| {
            let first_after = self.flushes.partition_point(|(version, _)| *version <= theirs);
            self.flushes.get(first_after).map_or(self.ticked, |(_, at)| *at)
        });
    }

    /// Serves an origin to a peer that lacks it; a peer that expects more than there is, is told what there is.
    fn handle_request(&mut self, id: LinkId, origin: Origin, have: Version) {
        let held = self.frontier().version(&origin);
        let Some(link) = self.links.get_mut(&id) else { return };
        link.peer_holds_only(&origin, have);
        if held > have {
            link.asked.insert(origin, have);
        }
    }

    /// Notes an incarnation of this node that a peer knows of. One so far ahead that nobody would take its entries is
    /// a fault of the peer's, and must not be outdone.
    fn note_incarnation(&mut self, now: Now, incarnation: u64) {
        if incarnation / 1000 <= self.skew(now).cluster_wall(now.wall).0.saturating_add(AHEAD_MS_MAX) {
            self.incarnation_seen = self.incarnation_seen.max(incarnation);
        }
    }

    fn handle_beat(&mut self, now: Now, id: LinkId, beat: &proto::Beat) {
        let (hash, digest) = (self.frontier().hash().short(), self.digest().short());
        if let Some(link) = self.links.get_mut(&id) {
            if beat.settled && link.theirs().hash().short() != beat.frontier_hash {
                link.listener.ask_again();
            }
            let diverged = beat.frontier_hash == hash && beat.digest != digest;
            let is_new = diverged && !link.diverged;
            link.diverged = diverged;
            if let Some(peer) = link.peer.as_ref().filter(|_| is_new).map(|peer| peer.node.clone()) {
                self.tell(Event::Diverged { peer });
            }
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.note_clock(now, WallMs(beat.wall_ms));
        }
        self.note_ready(now, id, beat.ready);
    }

    /// A ready peer that has listed what it holds sets the target of a replica that is joining.
    fn note_ready(&mut self, now: Now, id: LinkId, ready: bool) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.peer_ready = ready;
        if matches!(self.join, Join::Alone { .. })
            && let Some(target) = catch_up_with(link, now.tick)
        {
            self.join = target;
        }
        self.tick(now);
    }

    /// A peer has listed what it holds: a target that it set before may have been wrong.
    fn note_listed(&mut self, now: Now, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let since = match (&self.join, &link.peer) {
            (Join::Alone { .. }, _) => Some(now.tick),
            // To list again is no progress: a member that does nothing else is not to be waited for.
            (Join::CatchingUp(with), Some(peer)) if with.member == peer.node => Some(with.progress),
            _ => None,
        };
        if let Some(target) = since.and_then(|since| catch_up_with(link, since)) {
            self.join = target;
        }
        self.tick(now);
    }

    /// A joiner that gets nowhere looks to another member.
    pub(crate) fn look_elsewhere(&mut self, now: TickMs) {
        let Join::CatchingUp(with) = &self.join else { return };
        if now.since(with.progress) < STUCK_MS {
            return;
        }
        let ready = |link: &&Link| link.peer_ready && link.knows_theirs();
        let after = self
            .links
            .values()
            .filter(ready)
            .filter(|link| link.peer.as_ref().is_some_and(|peer| peer.node > with.member));
        let other = after.min_by_key(|link| link.peer.as_ref().map(|peer| peer.node.clone()));
        let any =
            || self.links.values().filter(ready).min_by_key(|link| link.peer.as_ref().map(|peer| peer.node.clone()));
        let chosen = other.or_else(any).and_then(|link| catch_up_with(link, now));
        self.join = chosen.unwrap_or(Join::Alone { since: now });
    }

    fn handle_refusal(&mut self, now: Now, id: LinkId, refusal: proto::Refusal) -> Result<(), LinkError> {
        let origin = Origin::try_from(refusal.origin)?;
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        if !link.is_under_way(&origin, refusal.pass) {
            return Ok(());
        }
        link.pass_failed(&origin, now.tick);
        link.peer_holds_only(&origin, Version(refusal.held));
        if let Some(peer) = link.peer.as_ref().map(|peer| peer.node.clone()) {
            let (reason, detail) = (cut(&refusal.reason, NAME_LENGTH_MAX), cut(&refusal.detail, DETAIL_SHOWN));
            self.tell(Event::RefusedByPeer { peer, origin, reason, detail });
        }
        Ok(())
    }

    /// Asks one peer for each origin that has been lacking for long enough.
    pub(crate) fn ask_for_lacking(&mut self, now: TickMs) {
        while let Some((origin, lack)) = self.lacking.pop_due(now) {
            if let Some(lack) = self.ask_for(now, &origin, lack) {
                self.lacking.insert(origin, lack);
            }
        }
    }

    /// Asks a peer that holds more of `origin`, another one each time; `None` once there is none.
    fn ask_for(&mut self, now: TickMs, origin: &Origin, lack: Lack) -> Option<Lack> {
        let held = self.frontier().version(origin);
        let holders = self.quick_holders(origin, held, lack.asked);
        let put_off = match self.links.values().filter_map(|link| link.arrival(origin, now)).max() {
            Some(Arrival::Steady) => Some(lack.put_off),
            // Peers that begin one after the other and get nowhere are not to hold up those that have it at hand.
            Some(Arrival::Begun) if lack.put_off < PUT_OFF_MAX => Some(lack.put_off + 1),
            _ => None,
        };
        if let Some(put_off) = put_off.filter(|_| !holders.is_empty()) {
            return Some(Lack { ask_at: now.plus(FIRST_HAND_MS), put_off, ..lack });
        }
        // Many that lack the same are not all to ask the same, and many lacks not all to fall on one peer.
        let spread = crate::digest::Digest::of_position(origin, Version::ZERO).short();
        let turn = spread.wrapping_add(u64::from(lack.asked.div_ceil(2))).checked_rem(holders.len() as u64)?;
        let link = self.links.get_mut(holders.get(usize::try_from(turn).ok()?)?)?;
        link.request(origin);
        // Each holder is a way of its own: only one that was asked before is given longer. Somebody quicker may have it
        // by then, so that a slow peer is not waited for as long as it may take.
        let tries = lack.asked / u32::try_from(holders.len()).unwrap_or(u32::MAX);
        let wait = link.round_trip.timeout_ms(0, tries).min(ASK_MS_MAX).saturating_add(ASK_MS);
        Some(Lack { ask_at: now.plus(wait), asked: lack.asked.saturating_add(1), put_off: 0 })
    }

    /// Links whose peer holds more than `held` of `origin`: the quick ones, and every other time that was `asked` in vain
    /// all of them. A peer that takes seconds would hold up what another has at hand.
    fn quick_holders(&self, origin: &Origin, held: Version, asked: u32) -> Vec<LinkId> {
        let holders = || self.links.iter().filter(|(_, link)| link.theirs().version(origin) > held);
        let pace = |link: &Link| link.round_trip.timeout_ms(0, 0);
        let quickest = holders().map(|(_, link)| pace(link)).min().unwrap_or(0);
        let limit = if asked.is_multiple_of(2) { quickest.saturating_mul(2) } else { u64::MAX };
        holders().filter(|(_, link)| pace(link) <= limit).map(|(id, _)| *id).collect()
    }

    /// Whether any key of `origin` is held; for tests and tools.
    #[must_use]
    pub fn holds(&self, origin: &Origin, key: &Key) -> bool {
        self.entries(origin).any(|entry| entry.key == *key)
    }
}

/// What a joiner has to reach: what a ready member is known to hold.
fn catch_up_with(link: &Link, progress: TickMs) -> Option<Join> {
    let peer = link.peer.as_ref().filter(|_| link.peer_ready && link.knows_theirs())?;
    Some(Join::CatchingUp(CatchUp { member: peer.node.clone(), target: link.theirs().clone(), progress }))
}
