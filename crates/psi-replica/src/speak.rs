//! What a link has to say next. Made only when the transport has room, so a slow peer costs no queue.

use crate::{
    PROTOCOL,
    clock::Now,
    link::{BEAT_MS, Link, LinkId},
    log::OriginLog,
    origin::{Origin, Version},
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
            let (held, origin) = (self.frontier.version(origin).0, Some(origin.into()));
            return Some(Body::Refusal(proto::Refusal { origin, pass, reason, detail, held }));
        }
        if let Some(pass) = link.acks.pop_first() {
            return Some(Body::Ack(proto::Ack { pass }));
        }
        if let Some(heard) = link.listener.take_answer() {
            return Some(Body::Heard(heard));
        }
        if let Some(origin) = link.requests.pop_first() {
            let have = self.frontier.version(&origin).0;
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
            protocol_max: self.config.protocol_max(),
            wall_ms: now.wall.0,
            ready: self.join == Join::Done,
        }
    }

    /// News and beats.
    fn poll_news(&mut self, now: Now, id: LinkId, is_ready: bool) -> Option<Body> {
        let is_settled = self.is_settled(id);
        let link = self.links.get_mut(&id)?;
        if let Some(news) = link.teller.poll(now.tick, link.round_trip, &self.frontier) {
            return Some(Body::News(news));
        }
        if link.beat_at > now.tick && link.ready_told == is_ready {
            return None;
        }
        link.beat_at = now.tick.plus(BEAT_MS);
        link.ready_told = is_ready;
        Some(Body::Beat(proto::Beat {
            wall_ms: now.wall.0,
            frontier_hash: self.frontier.hash().short(),
            ready: is_ready,
            digest: self.digest().short(),
            settled: is_settled,
        }))
    }

    /// Whether a link's peer knows all that is held here.
    fn is_settled(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.is_settled() && self.own_behind(link).is_none())
    }

    /// The next frame of a pass that is under way, or of one that begins now.
    fn poll_pass(&mut self, now: Now, id: LinkId) -> Option<proto::Pass> {
        self.begin_passes(now, id);
        let frame_bytes = self.config.frame_bytes;
        self.links.get_mut(&id)?.next_pass_frame(now.tick, frame_bytes)
    }

    fn begin_passes(&mut self, now: Now, id: LinkId) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.knows_theirs()) else { return };
        if let Some((me, log)) = self.me.as_ref().and_then(|me| Some((me, self.logs.get(me)?))) {
            let base = link.theirs().version(me);
            if log.version() > base && link.may_begin(me, now.tick) {
                begin(link, me, log, base);
            }
        }
        loop {
            let asked = link.next_asked(now.tick);
            if asked.is_empty() {
                return;
            }
            for origin in asked {
                let base = link.asked.remove(&origin).unwrap_or_default();
                match self.logs.get(&origin) {
                    Some(log) if log.version() > base => begin(link, &origin, log, base),
                    _ => {}
                }
            }
        }
    }
}

fn begin(link: &mut Link, origin: &Origin, log: &OriginLog, base: Version) {
    link.begin(origin, |pass| Outgoing::begin(origin, log, pass, base));
}
