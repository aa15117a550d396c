//! Links: what a replica makes of its peers' frames, and what it has to say to them.
//!
//! An origin pushes its own entries to every peer as soon as they are flushed. Everything else is pulled: a
//! replica that has lacked something for 100 ms, though a peer shows it in its frontier, asks one such peer for
//! it. So first-hand comes first, nothing is relayed to who has it, and a joiner takes each origin from one
//! member. Any frame may be lost or repeated; time-outs start passes over.

use crate::{
    PROTOCOL,
    clock::{Now, TickMs},
    event::Event,
    key::Key,
    link::{BEAT_MS, Flight, Link, LinkCounts, LinkId, Peer, TELL_MS},
    log::Change,
    name::{FieldName, NodeId},
    origin::{Frontier, Origin, Version, origin_version},
    pass::{Arrived, Outgoing, Staging},
    proto::{self, frame::Body},
    refusal::{LinkError, Refusal, RefusedPass},
    replica::{Join, Lack, Replica},
    skew::AHEAD_MS_MAX,
    value::Value,
};
use std::collections::BTreeMap;

/// How long something may be lacking before a peer is asked for it: the origin's own push comes first.
const FIRST_HAND_MS: u64 = 100;
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

impl Replica {
    /// A connection to a peer stands. Both sides then introduce themselves.
    pub fn link_up(&mut self, now: Now, link: LinkId) {
        self.links.insert(link, Link::new(now.tick));
    }

    /// A connection is gone. A joiner that was catching up over it looks for another member.
    pub fn link_down(&mut self, now: Now, link: LinkId) {
        let Some(gone) = self.links.remove(&link).and_then(|link| link.peer) else { return };
        if matches!(&self.join, Join::CatchingUp { member, .. } if *member == gone.node) {
            self.join = Join::Alone { since: now.tick };
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

    /// Takes in one frame. Nothing of it is applied when it is refused.
    ///
    /// # Errors
    /// [`LinkError`] when the link can't go on: close the connection and call [`Replica::link_down`].
    pub fn handle_frame(&mut self, now: Now, id: LinkId, frame: proto::Frame) -> Result<(), LinkError> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let body = frame.body.ok_or(LinkError::UnknownFrame(PROTOCOL))?;
        if !matches!(body, Body::Open(_)) {
            if link.peer.is_none() {
                return Err(LinkError::OutOfTurn("a frame before Open"));
            }
            link.open_heard = true;
        }
        match body {
            Body::Open(open) => self.handle_open(now, id, open),
            Body::Frontier(frontier) => self.handle_frontier(now, id, frontier.moved),
            Body::Pass(pass) => self.handle_pass(now, id, pass),
            Body::Ack(ack) => {
                let origin = Origin::try_from(ack.origin)?;
                self.peer_holds(now, id, &origin, Version(ack.version))
            }
            Body::Refusal(refusal) => self.handle_refusal(now, id, refusal),
            Body::Request(request) => {
                let origin = Origin::try_from(request.origin)?;
                link.asked.insert(origin, Version(request.have));
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
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        link.peer_holds(origin, version);
        if version > held {
            let first = Lack { ask_at: now.tick.plus(FIRST_HAND_MS), asked: 0 };
            self.lacking.entry(origin.clone()).or_insert(first);
        }
        Ok(())
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
        if let (true, Join::Alone { .. }, Some(peer)) = (ready, &self.join, &link.peer) {
            self.join = Join::CatchingUp { member: peer.node.clone(), target: link.theirs.clone() };
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

    fn handle_pass(&mut self, now: Now, id: LinkId, frame: proto::Pass) -> Result<(), LinkError> {
        let origin = Origin::try_from(frame.origin.clone())?;
        let pass = frame.pass;
        let Err(refusal) = self.receive(now, id, &origin, frame) else { return Ok(()) };
        if let Some(link) = self.links.get_mut(&id) {
            link.staging.remove(&origin);
            link.counts.passes_refused += 1;
            link.refusals.insert(origin.clone(), (pass, refusal.clone()));
            if let Some(peer) = link.peer.as_ref().map(|peer| peer.node.clone()) {
                self.tell(Event::Refused(RefusedPass { peer, origin, refusal }));
            }
        }
        Ok(())
    }

    /// Stages a frame and applies the pass once it is whole.
    fn receive(&mut self, now: Now, id: LinkId, origin: &Origin, frame: proto::Pass) -> Result<(), Refusal> {
        if self.me.as_ref() == Some(origin) {
            return Err(Refusal::OwnOrigin(origin.clone()));
        }
        let held = self.frontier().version(origin);
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        if Version(frame.version) <= held && frame.version > frame.base {
            link.acks.insert(origin.clone());
            link.staging.remove(origin);
            return Ok(());
        }
        if Version(frame.base) > held {
            return Err(Refusal::Gap { base: Version(frame.base), held });
        }
        let earlier = link.staging.get(origin).map(|(staging, _)| staging.pass());
        if earlier.is_some_and(|earlier| earlier > frame.pass) {
            return Ok(());
        }
        if earlier != Some(frame.pass) {
            link.staging.insert(origin.clone(), (Staging::new(&frame)?, now.tick));
        }
        let others_staged = link.staged_bytes();
        let (staging, progress) = link.staging.get_mut(origin).expect("just inserted");
        *progress = now.tick;
        let limit = self.config.pass_bytes_max;
        let room = limit.saturating_sub(others_staged - staging.bytes());
        staging.stage(frame, room).map_err(|refusal| match refusal {
            Refusal::TooLarge { .. } => Refusal::TooLarge { limit },
            other => other,
        })?;
        if !staging.is_whole() {
            return Ok(());
        }
        let arrived = link.staging.remove(origin).and_then(|(staging, _)| staging.into_arrived());
        self.apply(now, id, origin, arrived.expect("it is whole"))
    }

    fn apply(&mut self, now: Now, id: LinkId, origin: &Origin, arrived: Arrived) -> Result<(), Refusal> {
        let held = self.frontier().version(origin);
        if arrived.base > held {
            return Err(Refusal::Gap { base: arrived.base, held });
        }
        let fresh = crate::log::OriginLog::new(origin.clone());
        let log = self.logs.get(origin).unwrap_or(&fresh);
        let prepared = log.prepare(arrived.version, arrived.entries)?;
        if prepared.digest() != arrived.digest {
            return Err(Refusal::DigestMismatch);
        }
        let mut latest = crate::Clock::default();
        for (key, bytes) in prepared.puts() {
            let value = Value::decode(key, bytes)
                .map_err(|source| Refusal::Value { key: Box::new(key.clone()), source })?;
            let epoch = crate::Clock { wall_ms: key.epoch.wall_ms(), counter: 0 };
            latest = latest.max(epoch).max(value.clock().unwrap_or_default());
        }
        self.check_ahead(now, origin, latest)?;
        let before = log.digest();
        let entries = prepared.puts().count();
        self.clock.observe(latest);
        let log = self.log_mut(origin);
        let changes = log.commit(prepared);
        let after = log.digest();
        self.moved(origin, arrived.version, before, after);
        self.fold(origin, &changes);
        self.after_apply(now, id, origin, arrived.version, entries);
        Ok(())
    }

    /// Refuses clocks that are too far ahead of the members' median, those of epochs and incarnations included.
    fn check_ahead(&self, now: Now, origin: &Origin, latest: crate::Clock) -> Result<(), Refusal> {
        let wall = self.skew().cluster_wall(now.wall).0;
        let ahead_ms = latest.wall_ms.max(origin.incarnation / 1000).saturating_sub(wall);
        if ahead_ms > AHEAD_MS_MAX {
            return Err(Refusal::ClockAhead { node: origin.node.clone(), ahead_ms, limit_ms: AHEAD_MS_MAX });
        }
        Ok(())
    }

    fn fold(&mut self, origin: &Origin, changes: &[Change]) {
        let mut by_field: BTreeMap<&FieldName, Vec<&Change>> = BTreeMap::new();
        for change in changes {
            by_field.entry(&change.key.field).or_default().push(change);
        }
        for (name, changes) in by_field {
            let field = self.fields.entry(name.clone()).or_insert_with(|| crate::field::Field::new(name.clone()));
            field.change_tombstones(origin, &changes);
            field.change_specs(origin, &changes);
            let refolded = self.settle(name, None);
            if let (false, Some(field)) = (refolded, self.fields.get_mut(name)) {
                field.change_values(origin, &changes);
            }
        }
    }

    fn after_apply(&mut self, now: Now, id: LinkId, origin: &Origin, version: Version, entries: usize) {
        if let Some(link) = self.links.get_mut(&id) {
            link.acks.insert(origin.clone());
            link.peer_holds(origin, version);
            link.counts.passes_received += 1;
            link.counts.entries_received += entries as u64;
            if let Some(peer) = link.peer.as_ref().map(|peer| peer.node.clone()) {
                self.tell(Event::Applied { peer, origin: origin.clone(), version, entries });
            }
        }
        if self.links.values().any(|link| link.theirs.version(origin) > version) {
            let again = Lack { ask_at: now.tick.plus(FIRST_HAND_MS), asked: 0 };
            self.lacking.insert(origin.clone(), again);
        } else {
            self.lacking.remove(origin);
        }
        self.tick(now);
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
            let holders: Vec<LinkId> = self
                .links
                .iter()
                .filter(|(_, link)| link.theirs.version(&origin) > held)
                .map(|(id, _)| *id)
                .collect();
            if holders.is_empty() {
                self.lacking.remove(&origin);
                continue;
            }
            let arriving = |link: &Link| {
                link.staging.get(&origin).is_some_and(|(_, progress)| now.since(*progress) < STALLED_MS)
            };
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

    /// The next frame for a link, when its transport has room; `None` when there is nothing to say now.
    pub fn poll_frame(&mut self, now: Now, id: LinkId) -> Option<proto::Frame> {
        let body = self.poll_body(now, id)?;
        Some(proto::Frame { body: Some(body) })
    }

    fn poll_body(&mut self, now: Now, id: LinkId) -> Option<Body> {
        let is_ready = self.join == Join::Done;
        let link = self.links.get_mut(&id)?;
        if link.open_is_due(now.tick) {
            link.open_sent = Some(now.tick);
            link.ready_told = is_ready;
            return Some(Body::Open(self.open(now)));
        }
        link.peer.as_ref()?;
        if let Some((origin, (pass, refusal))) = link.refusals.pop_first() {
            let (reason, detail) = (refusal.reason().to_owned(), refusal.to_string());
            return Some(Body::Refusal(proto::Refusal { origin: Some((&origin).into()), pass, reason, detail }));
        }
        if let Some(origin) = link.acks.pop_first() {
            link.untold.remove(&origin);
            let version = self.frontier().version(&origin).0;
            return Some(Body::Ack(proto::Ack { origin: Some((&origin).into()), version }));
        }
        if let Some(origin) = link.requests.pop_first() {
            let have = self.frontier().version(&origin).0;
            return Some(Body::Request(proto::Request { origin: Some((&origin).into()), have }));
        }
        self.poll_news(now, id, is_ready).or_else(|| self.poll_pass(now, id).map(Body::Pass))
    }

    fn open(&self, now: Now) -> proto::Open {
        proto::Open {
            cluster: self.config.cluster.to_string(),
            node: self.config.node.to_string(),
            incarnation: self.me.as_ref().map_or(0, |me| me.incarnation),
            protocol_min: PROTOCOL,
            protocol_max: PROTOCOL,
            wall_ms: now.wall.0,
            frontier: self.frontier().to_proto(),
            ready: self.join == Join::Done,
        }
    }

    /// Frontier moves and beats.
    fn poll_news(&mut self, now: Now, id: LinkId, is_ready: bool) -> Option<Body> {
        let link = self.links.get_mut(&id)?;
        if link.tell_full {
            link.tell_full = false;
            link.untold.clear();
            let moved = self.frontier().to_proto();
            return Some(Body::Frontier(proto::Frontier { moved, full: true }));
        }
        if !link.untold.is_empty() && link.tell_at <= now.tick {
            link.tell_at = now.tick.plus(TELL_MS);
            let untold = std::mem::take(&mut link.untold);
            let frontier = self.frontier();
            let moved = untold.iter().map(|origin| origin_version(origin, frontier.version(origin))).collect();
            return Some(Body::Frontier(proto::Frontier { moved, full: false }));
        }
        if link.beat_at <= now.tick || link.ready_told != is_ready {
            link.beat_at = now.tick.plus(BEAT_MS);
            link.ready_told = is_ready;
            let want_frontier = std::mem::take(&mut link.want_frontier);
            let frontier_hash = self.frontier().hash().short();
            return Some(Body::Beat(proto::Beat { wall_ms: now.wall.0, frontier_hash, want_frontier, ready: is_ready }));
        }
        None
    }

    /// The next frame of a pass that is under way, or of one that begins now.
    fn poll_pass(&mut self, now: Now, id: LinkId) -> Option<proto::Pass> {
        self.begin_passes(now, id);
        let frame_bytes = self.config.frame_bytes;
        let link = self.links.get_mut(&id)?;
        let origin = link.next_turn()?;
        let flight = link.flights.get_mut(&origin)?;
        let frame = flight.outgoing.next_frame(frame_bytes)?;
        if frame.last {
            flight.sent_at = Some(now.tick);
        }
        link.counts.entries_sent += frame.entries.len() as u64;
        link.counts.passes_cut += u64::from(frame.last && frame.index > 0);
        Some(frame)
    }

    fn begin_passes(&mut self, now: Now, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Some((me, log)) = self.me.as_ref().and_then(|me| Some((me, self.logs.get(me)?))) {
            let base = link.theirs.version(me);
            if log.version() > base && link.may_begin(me, now.tick) {
                begin(link, me, log, base);
            }
        }
        let asked: Vec<Origin> = link.asked.keys().filter(|origin| link.may_begin(origin, now.tick)).cloned().collect();
        for origin in asked {
            let base = link.asked.remove(&origin).unwrap_or_default();
            match self.logs.get(&origin) {
                Some(log) if log.version() > base => begin(link, &origin, log, base),
                _ => {}
            }
        }
    }

    /// Whether any key of `origin` is held; for tests and tools.
    #[must_use]
    pub fn holds(&self, origin: &Origin, key: &Key) -> bool {
        self.entries(origin).any(|entry| entry.key == *key)
    }
}

fn begin(link: &mut Link, origin: &Origin, log: &crate::log::OriginLog, base: Version) {
    link.passes += 1;
    link.counts.passes_sent += 1;
    let outgoing = Outgoing::begin(origin, log, link.passes, base);
    link.flights.insert(origin.clone(), Flight { outgoing, sent_at: None });
}
