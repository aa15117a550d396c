//! What a link has to say next. Made only when the transport has room, so a slow peer costs no queue.

use crate::{
    PROTOCOL,
    clock::Now,
    link::{BEAT_MS, Flight, Link, LinkId, TELL_MS},
    log::OriginLog,
    origin::{Origin, Version, origin_version},
    pass::Outgoing,
    proto::{self, frame::Body},
    replica::{Join, Replica},
};

impl Replica {
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
        let refused = link.refusals.pop_first().and_then(|origin| link.refused.get_key_value(&origin));
        if let Some((origin, (pass, refusal))) = refused {
            let (pass, reason, detail) = (*pass, refusal.reason().to_owned(), refusal.to_string());
            return Some(Body::Refusal(proto::Refusal { origin: Some(origin.into()), pass, reason, detail }));
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
        let beat_is_due = link.beat_at <= now.tick || link.ready_told != is_ready;
        // Moves go before a beat: its hash is of all that was told.
        if !link.untold.is_empty() && (link.tell_at <= now.tick || beat_is_due) {
            link.tell_at = now.tick.plus(TELL_MS);
            let untold = std::mem::take(&mut link.untold);
            let frontier = self.frontier();
            let moved = untold.iter().map(|origin| origin_version(origin, frontier.version(origin))).collect();
            return Some(Body::Frontier(proto::Frontier { moved, full: false }));
        }
        if beat_is_due {
            link.beat_at = now.tick.plus(BEAT_MS);
            link.ready_told = is_ready;
            let want_frontier = std::mem::take(&mut link.want_frontier);
            let frontier_hash = self.frontier().hash().short();
            return Some(Body::Beat(proto::Beat {
                wall_ms: now.wall.0,
                frontier_hash,
                want_frontier,
                ready: is_ready,
            }));
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
}

fn begin(link: &mut Link, origin: &Origin, log: &OriginLog, base: Version) {
    link.passes += 1;
    link.counts.passes_sent += 1;
    let outgoing = Outgoing::begin(origin, log, link.passes, base);
    link.flights.insert(origin.clone(), Flight { outgoing, sent_at: None });
}
