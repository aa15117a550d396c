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
    clock::{Now, TickMs},
    event::Event,
    key::Key,
    link::{Link, LinkCounts, LinkId, Peer},
    name::NodeId,
    origin::{Frontier, Origin, Version},
    proto::{self, frame::Body},
    refusal::LinkError,
    replica::{Join, Lack, Replica},
    skew::AHEAD_MS_MAX,
};

/// How long something may be lacking before a peer is asked for it: the origin's own push comes first.
pub(crate) const FIRST_HAND_MS: u64 = 100;
/// How long a peer that was asked may take until another is.
const ASK_MS: u64 = 1_000;
/// How long a pass that is arriving may stand still until another peer is asked.
const STALLED_MS: u64 = 2_000;

/// A link as it stands, for metrics and people.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkStatus {
    /// Who is at the other end; `None` until it has introduced itself.
    pub peer: Option<Peer>,
    /// What the peer is known to hold.
    pub theirs: Frontier,
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
        self.links.insert(link, Link::new(now.tick));
    }

    /// A connection is gone. A joiner that was catching up over it looks to another member.
    pub fn link_down(&mut self, now: Now, link: LinkId) {
        let Some(gone) = self.links.remove(&link).and_then(|link| link.peer) else { return };
        if matches!(&self.join, Join::CatchingUp { member, .. } if *member == gone.node) {
            let other = self.links.values().find_map(catch_up_with);
            self.join = other.unwrap_or(Join::Alone { since: now.tick });
            self.tick(now);
        }
    }

    /// Links that stand.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, LinkStatus)> {
        self.links.iter().map(|(id, link)| {
            let status = LinkStatus {
                peer: link.peer.clone(),
                theirs: link.theirs.clone(),
                clock_offset_ms: link.clock_offset_ms,
                counts: link.counts,
            };
            (*id, status)
        })
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
            Body::Open(open) => self.handle_open(now, id, open),
            Body::Frontier(frontier) => {
                if frontier.full {
                    // Repairs what a damaged frame made this side believe.
                    link.theirs = Frontier::default();
                }
                self.handle_frontier(now, id, frontier.moved)
            }
            Body::Pass(pass) => self.handle_pass(now, id, pass),
            Body::Ack(ack) => {
                let origin = Origin::try_from(ack.origin)?;
                self.peer_holds(now, id, &origin, Version(ack.version))
            }
            Body::Refusal(refusal) => self.handle_refusal(now, id, refusal),
            Body::Request(request) => {
                let origin = Origin::try_from(request.origin)?;
                if self.logs.contains_key(&origin) {
                    link.asked.insert(origin, Version(request.have));
                }
                Ok(())
            }
            Body::Beat(beat) => {
                self.handle_beat(now, id, &beat);
                Ok(())
            }
        }
    }

    fn handle_open(&mut self, now: Now, id: LinkId, open: proto::Open) -> Result<(), LinkError> {
        if open.cluster != self.config.cluster.as_str() {
            return Err(LinkError::Cluster { ours: self.config.cluster.clone(), theirs: open.cluster });
        }
        if !(open.protocol_min..=open.protocol_max).contains(&PROTOCOL) {
            return Err(LinkError::Protocol { ours: PROTOCOL, min: open.protocol_min, max: open.protocol_max });
        }
        let node = NodeId::new(&open.node)?;
        if node == self.config.node {
            self.note_incarnation(now, open.incarnation);
            return Err(LinkError::SameNode(node));
        }
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        match &link.peer {
            Some(known) if known.node != node => return Err(LinkError::OutOfTurn("another Open")),
            Some(_) => {}
            None => {
                link.peer = Some(Peer { node: node.clone(), protocol: PROTOCOL });
                self.tell(Event::Opened { peer: node });
            }
        }
        self.handle_frontier(now, id, open.frontier)?;
        self.note_clock(now, id, open.wall_ms);
        self.note_ready(now, id, open.ready);
        Ok(())
    }

    fn handle_frontier(&mut self, now: Now, id: LinkId, moved: Vec<proto::OriginVersion>) -> Result<(), LinkError> {
        for proto::OriginVersion { origin, version } in moved {
            self.peer_holds(now, id, &Origin::try_from(origin)?, Version(version))?;
        }
        Ok(())
    }

    fn peer_holds(&mut self, now: Now, id: LinkId, origin: &Origin, version: Version) -> Result<(), LinkError> {
        let held = self.frontier().version(origin);
        if self.me.as_ref() == Some(origin) && version > held {
            return Err(LinkError::OwnFuture { origin: origin.clone(), claimed: version, written: held });
        }
        if origin.node == self.config.node {
            self.note_incarnation(now, origin.incarnation);
        }
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.peer_holds(origin, version);
        if version > held {
            let first = Lack { ask_at: now.tick.plus(FIRST_HAND_MS), asked: 0 };
            self.lacking.entry(origin.clone()).or_insert(first);
        }
        Ok(())
    }

    /// Notes an incarnation of this node that a peer knows of. One so far ahead that nobody would take its entries is
    /// a fault of the peer's, and must not be outdone.
    fn note_incarnation(&mut self, now: Now, incarnation: u64) {
        if incarnation / 1000 <= self.skew().cluster_wall(now.wall).0.saturating_add(AHEAD_MS_MAX) {
            self.incarnation_seen = self.incarnation_seen.max(incarnation);
        }
    }

    fn handle_beat(&mut self, now: Now, id: LinkId, beat: &proto::Beat) {
        if let Some(link) = self.links.get_mut(&id) {
            link.tell_full |= beat.want_frontier;
            if link.theirs.hash().short() != beat.frontier_hash {
                link.want_frontier = true;
                link.beat_at = now.tick;
            }
        }
        self.note_clock(now, id, beat.wall_ms);
        self.note_ready(now, id, beat.ready);
    }

    fn note_clock(&mut self, now: Now, id: LinkId, wall_ms: u64) {
        let offset = i128::from(wall_ms) - i128::from(now.wall.0);
        let offset = i64::try_from(offset).unwrap_or(if offset > 0 { i64::MAX } else { i64::MIN });
        if let Some(link) = self.links.get_mut(&id) {
            link.clock_offset_ms = Some(offset);
        }
    }

    /// A ready peer sets the target of a replica that is joining.
    fn note_ready(&mut self, now: Now, id: LinkId, ready: bool) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.peer_ready = ready;
        if let (Join::Alone { .. }, Some(target)) = (&self.join, catch_up_with(link)) {
            self.join = target;
        }
        self.tick(now);
    }

    fn handle_refusal(&mut self, now: Now, id: LinkId, refusal: proto::Refusal) -> Result<(), LinkError> {
        let origin = Origin::try_from(refusal.origin)?;
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        if link.flights.get(&origin).is_none_or(|flight| flight.outgoing.pass() != refusal.pass) {
            return Ok(());
        }
        link.pass_failed(&origin, now.tick);
        if let Some(peer) = link.peer.as_ref().map(|peer| peer.node.clone()) {
            let proto::Refusal { reason, detail, .. } = refusal;
            self.tell(Event::RefusedByPeer { peer, origin, reason, detail });
        }
        Ok(())
    }

    /// Asks one peer for each origin that has been lacking for long enough.
    pub(crate) fn ask_for_lacking(&mut self, now: TickMs) {
        let due: Vec<(Origin, Lack)> = self
            .lacking
            .iter()
            .filter(|(_, lack)| lack.ask_at <= now)
            .map(|(origin, lack)| (origin.clone(), *lack))
            .collect();
        for (origin, mut lack) in due {
            let held = self.frontier().version(&origin);
            let holders: Vec<LinkId> =
                self.links.iter().filter(|(_, link)| link.theirs.version(&origin) > held).map(|(id, _)| *id).collect();
            if holders.is_empty() {
                self.lacking.remove(&origin);
                continue;
            }
            let arriving =
                |link: &Link| link.staging.get(&origin).is_some_and(|(_, progress)| now.since(*progress) < STALLED_MS);
            if self.links.values().any(arriving) {
                lack.ask_at = now.plus(FIRST_HAND_MS);
            } else {
                let spread = crate::digest::Digest::of_frontier([(&origin, Version::ZERO)].into_iter()).short();
                let turn = spread.wrapping_add(u64::from(lack.asked)) % holders.len() as u64;
                let chosen = holders.get(usize::try_from(turn).unwrap_or(0)).copied();
                if let Some(link) = chosen.and_then(|id| self.links.get_mut(&id)) {
                    link.requests.insert(origin.clone());
                }
                lack.ask_at = now.plus(ASK_MS << lack.asked.min(4));
                lack.asked = lack.asked.saturating_add(1);
            }
            self.lacking.insert(origin, lack);
        }
    }

    /// Whether any key of `origin` is held; for tests and tools.
    #[must_use]
    pub fn holds(&self, origin: &Origin, key: &Key) -> bool {
        self.entries(origin).any(|entry| entry.key == *key)
    }
}

/// What a joiner has to reach: what a ready member is known to hold.
fn catch_up_with(link: &Link) -> Option<Join> {
    let peer = link.peer.as_ref().filter(|_| link.peer_ready)?;
    Some(Join::CatchingUp { member: peer.node.clone(), target: link.theirs.clone() })
}
