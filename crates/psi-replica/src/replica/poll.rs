//! Frames to send. Made only when the transport has room, so a slow peer costs no queue.

use super::Replica;
use crate::{
    PROTOCOL,
    delta::outgoing::OutgoingDelta,
    entry::{
        clock::Now,
        origin::{Origin, Version},
    },
    links::link::{Link, LinkId},
    proto::{self, frame::Body},
    state::State,
    store::log::OriginLog,
};

impl<S: State> Replica<S> {
    /// The next frame for a link, when its transport has room; `None` when there is nothing to send now.
    pub fn poll_frame(&mut self, now: Now, id: LinkId) -> Option<proto::Frame> {
        let body = self.poll_body(now, id)?;
        Some(proto::Frame { body: Some(body) })
    }

    fn poll_body(&mut self, now: Now, id: LinkId) -> Option<Body> {
        let is_ready = self.has_joined();
        let link = self.links.get_mut(id)?;
        if link.hello_is_due(now.tick) {
            link.record_hello_sent(now.tick, is_ready);
            return Some(Body::Hello(self.hello(now)));
        }
        link.peer()?;
        self.poll_answer(id)
            .or_else(|| self.poll_frontier(now, id, is_ready))
            .or_else(|| self.poll_delta(now, id).map(Body::Delta))
    }

    fn hello(&self, now: Now) -> proto::Hello {
        proto::Hello {
            cluster: self.config.cluster.to_string(),
            node: self.config.node.to_string(),
            incarnation: self.local.incarnation_minted(),
            protocol_min: PROTOCOL,
            protocol_max: self.protocol_max(),
            wall_ms: now.wall.0,
            steady_lead_ms: self.time.steady_lead_ms(now.wall),
            ready: self.has_joined(),
        }
    }

    /// The greatest protocol version that the node speaks.
    pub(super) fn protocol_max(&self) -> u32 {
        #[cfg(feature = "testing")]
        if let Some(extension) = &self.config.extension {
            return extension.protocol_max.max(PROTOCOL);
        }
        PROTOCOL
    }

    /// Answers to what the peer sent, and pulls.
    fn poll_answer(&mut self, id: LinkId) -> Option<Body> {
        let link = self.links.get_mut(id)?;
        if let Some((origin, nack)) = link.inbox.next_nack() {
            return Some(Body::Nack(proto::Nack { held: self.store.version(origin).0, ..nack }));
        }
        if let Some(ack) = link.inbox.next_ack() {
            return Some(Body::Ack(ack));
        }
        if let Some(ack) = link.next_update_ack() {
            return Some(Body::FrontierAck(ack));
        }
        let origin = link.next_pull()?;
        let have = if origin.is_base() { 0 } else { self.store.version(&origin).0 };
        Some(Body::Pull(proto::Pull { origin: Some((&origin).into()), have }))
    }

    /// Frontier updates and heartbeats.
    fn poll_frontier(&mut self, now: Now, id: LinkId, is_ready: bool) -> Option<Body> {
        let is_settled = self.is_settled(id);
        let link = self.links.get_mut(id)?;
        if let Some(update) = link.next_update(now.tick, &self.store) {
            return Some(Body::FrontierUpdate(update));
        }
        if !link.heartbeat_is_due(now.tick, is_ready) {
            return None;
        }
        link.record_heartbeat_sent(now.tick, is_ready);
        Some(Body::Heartbeat(proto::Heartbeat {
            wall_ms: now.wall.0,
            steady_lead_ms: self.time.steady_lead_ms(now.wall),
            frontier_hash: self.store.frontier().hash().short(),
            ready: is_ready,
            digest: self.store.digest().short(),
            settled: is_settled,
            listing_hash: self.store.listing_hash().short(),
            incarnation: self.local.incarnation_minted(),
            checkpoint: self.store.base().number(),
            checkpoint_hash: self.store.base().hash().short(),
            base_digest: self.origin_digest(&Origin::base()).short(),
        }))
    }

    /// Whether a link's peer knows all that is held here.
    fn is_settled(&self, id: LinkId) -> bool {
        self.links.get(id).is_some_and(|link| link.is_settled() && self.own_behind(link).is_none())
    }

    /// The own origin, if the link's peer is behind on what is flushed.
    pub(super) fn own_behind(&self, link: &Link) -> Option<&Origin> {
        let own = self.local.origin()?;
        (link.has_listing() && link.peer_frontier().version(own) < self.store.version(own)).then_some(own)
    }

    /// The next frame of a delta that is in flight, or of one that begins now.
    fn poll_delta(&mut self, now: Now, id: LinkId) -> Option<proto::Delta> {
        self.begin_deltas(now, id);
        let frame_bytes = self.config.frame_bytes;
        self.links.get_mut(id)?.next_delta_frame(now.tick, frame_bytes)
    }

    fn begin_deltas(&mut self, now: Now, id: LinkId) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.has_listing()) else { return };
        if let Some((own, log)) = self.local.origin().and_then(|own| Some((own, self.store.log(own)?))) {
            let base = link.peer_frontier().version(own);
            if log.version() > base && link.outbox.may_begin(own, now.tick) {
                begin(link, own, log, base);
            }
        }
        loop {
            let pulls = link.outbox.take_pulls(now.tick);
            if pulls.is_empty() {
                return;
            }
            for (origin, have) in pulls {
                // The base goes whole: what it no longer holds must go where it arrives too.
                let base = if origin.is_base() { Version::ZERO } else { have };
                match self.store.log(&origin) {
                    Some(log) if log.version() > base => begin(link, &origin, log, base),
                    _ => {}
                }
            }
        }
    }
}

fn begin(link: &mut Link, origin: &Origin, log: &OriginLog, base: Version) {
    link.begin_delta(origin, |number| OutgoingDelta::begin(origin, log, number, base));
}
