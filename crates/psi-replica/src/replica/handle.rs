//! Frames that arrive: what they say of a peer, and what follows.
//!
//! An origin pushes its own entries to every peer as soon as they are flushed. Everything else is pulled: a replica
//! that has missed something for 100 ms, though a peer's frontier shows it, pulls it from one such peer. So first-hand
//! comes first, nothing is relayed to a peer that has it, and a joiner takes each origin from one member. Any frame may
//! be lost or repeated; time-outs send deltas again.

use super::Replica;
use crate::{
    PROTOCOL,
    delta::refusal::LinkError,
    entry::{
        clock::{Now, WallMs},
        name::{NAME_LENGTH_MAX, NodeId, cut},
        origin::{Origin, Version},
    },
    links::{
        ORIGINS_MAX, ORIGINS_PER_FRAME,
        frontier_receiver::{PeerMoves, UpdateError},
        link::{LinkId, Peer},
    },
    proto::{self, frame::Body},
    replica::event::Event,
    state::State,
    time::{AHEAD_MS_MAX, members::ShownClocks},
};

/// Characters kept of what a peer says of a refusal.
const DETAIL_SHOWN: usize = 500;

impl<S: State> Replica<S> {
    /// A connection to a peer stands. Both sides then introduce themselves.
    pub fn link_up(&mut self, now: Now, link: LinkId) {
        self.links.open(link, now.tick, &self.store);
    }

    /// A connection is gone. A joiner that was catching up over it looks to another member.
    pub fn link_down(&mut self, now: Now, link: LinkId) {
        if let Some(gone) = self.links.close(link).and_then(|link| link.into_peer()) {
            self.follow_another_than(now, &gone.node);
        }
    }

    /// Takes in one frame. Nothing of it is applied when it is refused.
    ///
    /// # Errors
    /// [`LinkError`] when the link can't go on: close the connection and call [`Replica::link_down`].
    pub fn handle_frame(&mut self, now: Now, id: LinkId, frame: proto::Frame) -> Result<(), LinkError> {
        self.record_now(now);
        let Some(link) = self.links.get_mut(id) else { return Ok(()) };
        let Some(body) = frame.body else {
            // Bodies may be added within a protocol version.
            link.peer().ok_or(LinkError::UnknownFrame(PROTOCOL))?;
            link.counts.frames_unknown += 1;
            return Ok(());
        };
        if !matches!(body, Body::Hello(_)) {
            link.peer().ok_or(LinkError::OutOfTurn("a frame before Hello"))?;
            link.record_hello_received();
        }
        match body {
            Body::Hello(hello) => self.handle_hello(now, id, &hello),
            Body::FrontierUpdate(update) => self.handle_update(now, id, update),
            Body::FrontierAck(ack) => {
                link.acknowledge_update(now.tick, &ack, &self.store);
                Ok(())
            }
            Body::Delta(delta) => self.handle_delta(now, id, delta),
            Body::Ack(ack) => match link.acknowledge_delta(now.tick, ack.number) {
                Some((origin, version)) => self.record_peer_holds(now, id, &origin, version),
                None => Ok(()),
            },
            Body::Nack(nack) => self.handle_nack(now, id, nack),
            Body::Pull(pull) => self.handle_pull(id, pull),
            Body::Heartbeat(heartbeat) => {
                self.handle_heartbeat(now, id, &heartbeat);
                Ok(())
            }
        }
    }

    fn handle_hello(&mut self, now: Now, id: LinkId, hello: &proto::Hello) -> Result<(), LinkError> {
        if hello.cluster != self.config.cluster.as_str() {
            let theirs = cut(&hello.cluster, NAME_LENGTH_MAX);
            return Err(LinkError::Cluster { ours: self.config.cluster.clone(), theirs });
        }
        let ours = self.protocol_max();
        let protocol = ours.min(hello.protocol_max);
        if protocol < hello.protocol_min.max(PROTOCOL) {
            return Err(LinkError::Protocol { ours, min: hello.protocol_min, max: hello.protocol_max });
        }
        let node = NodeId::new(&hello.node)?;
        if node == self.config.node {
            self.record_incarnation(hello.incarnation);
            return Err(LinkError::SameNode(node));
        }
        let Some(link) = self.links.get_mut(id) else { return Ok(()) };
        match link.peer() {
            Some(known) if known.node != node => return Err(LinkError::OutOfTurn("another Hello")),
            Some(_) => {}
            None => {
                link.introduce(Peer { node: node.clone(), protocol });
                self.emit(Event::Opened { peer: node.clone() });
            }
        }
        self.record_clocks(now, &node, (hello.wall_ms, hello.steady_lead_ms, hello.ready));
        self.record_peer_run(now, Some(node), hello.incarnation);
        self.record_ready(now, id, hello.ready);
        Ok(())
    }

    /// Records what a member shows of its clocks.
    fn record_clocks(&mut self, now: Now, node: &NodeId, (wall, steady_lead, has_joined): (u64, i64, bool)) {
        let steady = WallMs(wall.saturating_add_signed(steady_lead));
        self.time.record_member(node, ShownClocks { at: now.tick, wall: WallMs(wall), steady, has_joined });
        self.record_now(now);
    }

    /// The run at the other end of a link has shown itself. If nothing could be taken of it yet, its node is not silent:
    /// the run before stands for it.
    fn record_peer_run(&mut self, now: Now, node: Option<NodeId>, incarnation: u64) {
        let Some(node) = node.filter(|_| incarnation > 0) else { return };
        let runs = self.store.runs().map(|(run, _)| run);
        let run = runs.filter(|run| run.node == node && run.incarnation <= incarnation).last().cloned();
        if let Some(run) = run {
            self.ends.heard.record(&run, now.tick);
        }
    }

    fn handle_update(&mut self, now: Now, id: LinkId, update: proto::FrontierUpdate) -> Result<(), LinkError> {
        let Some(link) = self.links.get_mut(id) else { return Ok(()) };
        let PeerMoves { moved, listed } = link.receive_update(update).map_err(|error| match error {
            UpdateError::Origin(error) => LinkError::Origin(error),
            UpdateError::TooMany => LinkError::TooManyOrigins { limit: ORIGINS_MAX },
            UpdateError::TooManyMoves => LinkError::TooManyMoves { limit: ORIGINS_PER_FRAME },
        })?;
        for (origin, version) in &moved {
            self.record_peer_holds(now, id, origin, *version)?;
        }
        if listed {
            self.record_own_lag(id);
            self.record_listing(now, id);
        }
        Ok(())
    }

    /// Records that a link's peer holds `version` of `origin`.
    pub(super) fn record_peer_holds(
        &mut self,
        now: Now,
        id: LinkId,
        origin: &Origin,
        version: Version,
    ) -> Result<(), LinkError> {
        let held = self.store.version(origin);
        let is_own = self.local.is(origin);
        if is_own && version > held {
            return Err(LinkError::OwnFuture { origin: origin.clone(), claimed: version, written: held });
        }
        if origin.node == self.config.node {
            self.record_incarnation(origin.incarnation);
        }
        let Some(link) = self.links.get_mut(id) else { return Ok(()) };
        let known = link.peer_frontier();
        if known.len() >= ORIGINS_MAX && known.version(origin) == Version::ZERO {
            return Err(LinkError::TooManyOrigins { limit: ORIGINS_MAX });
        }
        link.record_peer_holds(origin, version);
        if is_own {
            self.record_own_lag(id);
        } else if version > held && !self.gaps.contains(origin) && !self.is_over(origin) {
            self.record_gap(now.tick, origin);
        }
        Ok(())
    }

    /// Keeps track of since when a peer is behind on own writes.
    fn record_own_lag(&mut self, id: LinkId) {
        let Some((own, link)) = self.local.origin().zip(self.links.get_mut(id)) else { return };
        let held = link.peer_frontier().version(own);
        let is_behind = held < self.store.version(own);
        link.record_behind_since(is_behind.then(|| self.local.flushed_after(held).unwrap_or(self.ticked)));
    }

    /// Serves an origin to a peer that pulls it. A peer that expects more than is held is corrected.
    fn handle_pull(&mut self, id: LinkId, pull: proto::Pull) -> Result<(), LinkError> {
        let (origin, have) = (Origin::try_from(pull.origin)?, Version(pull.have));
        let held = self.store.version(&origin);
        let Some(link) = self.links.get_mut(id) else { return Ok(()) };
        if !origin.is_base() {
            link.record_peer_holds_only(&origin, have);
        }
        if held > have || origin.is_base() {
            link.outbox.record_pull(origin, have);
        }
        Ok(())
    }

    /// Records an incarnation of this node that a peer knows of. One so far ahead that nobody would take its entries is
    /// a fault of the peer's, and must not be outdone.
    fn record_incarnation(&mut self, incarnation: u64) {
        if incarnation / 1000 <= self.time.agreed().0.saturating_add(AHEAD_MS_MAX) {
            self.local.record_incarnation(incarnation);
        }
    }

    fn handle_heartbeat(&mut self, now: Now, id: LinkId, heartbeat: &proto::Heartbeat) {
        let (hash, digest) = (self.store.frontier().hash().short(), self.store.digest().short());
        let base = Origin::base();
        let (number, checkpoint_hash) = (self.store.base().number(), self.store.base().hash().short());
        let base_digest = self.origin_digest(&base).short();
        let Some(link) = self.links.get_mut(id) else { return };
        if heartbeat.settled {
            link.check_listing(heartbeat.listing_hash);
        }
        let is_same_base = (heartbeat.checkpoint, heartbeat.checkpoint_hash) == (number, checkpoint_hash);
        let diverged = heartbeat.frontier_hash == hash && heartbeat.digest != digest
            || is_same_base && heartbeat.base_digest != base_digest;
        let is_new = link.record_divergence(diverged);
        // Two bases that grew apart: the one with the greater hash holds.
        if heartbeat.checkpoint == number && heartbeat.checkpoint_hash > checkpoint_hash {
            self.ends.is_rivalled = true;
            link.pull(&base);
        }
        let peer = link.peer_node().cloned();
        if let Some(peer) = peer.clone().filter(|_| is_new) {
            self.emit(Event::Diverged { peer });
        }
        if let Some(peer) = &peer {
            self.record_clocks(now, peer, (heartbeat.wall_ms, heartbeat.steady_lead_ms, heartbeat.ready));
        }
        self.record_peer_run(now, peer, heartbeat.incarnation);
        self.record_ready(now, id, heartbeat.ready);
    }

    fn handle_nack(&mut self, now: Now, id: LinkId, nack: proto::Nack) -> Result<(), LinkError> {
        let origin = Origin::try_from(nack.origin)?;
        let Some(link) = self.links.get_mut(id) else { return Ok(()) };
        if !link.outbox.has(&origin, nack.number) {
            return Ok(());
        }
        link.outbox.record_failure(&origin, now.tick);
        link.record_peer_holds_only(&origin, Version(nack.held));
        if let Some(peer) = link.peer_node().cloned() {
            let (reason, detail) = (cut(&nack.reason, NAME_LENGTH_MAX), cut(&nack.detail, DETAIL_SHOWN));
            self.emit(Event::RefusedByPeer { peer, origin, reason, detail });
        }
        Ok(())
    }
}
