//! Passes that arrive: staged, checked, applied at once and folded, or refused with nothing changed.

use std::collections::BTreeMap;

use crate::{
    clock::{Clock, Now},
    event::Event,
    exchange::FIRST_HAND_MS,
    field::Field,
    link::LinkId,
    log::{Change, OriginLog},
    name::FieldName,
    origin::{Origin, Version},
    pass::{Arrived, Staging},
    proto,
    refusal::{LinkError, Refusal, RefusedPass},
    replica::{Lack, Replica},
    skew::AHEAD_MS_MAX,
    value::Value,
};

impl Replica {
    pub(crate) fn handle_pass(&mut self, now: Now, id: LinkId, frame: proto::Pass) -> Result<(), LinkError> {
        let origin = Origin::try_from(frame.origin.clone())?;
        let pass = frame.pass;
        let Err(refusal) = self.receive(now, id, &origin, frame) else { return Ok(()) };
        if let Some(link) = self.links.get_mut(&id) {
            link.refuse(&origin, pass, refusal.clone());
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
        if link.is_refused(origin, &frame) {
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
        let fresh = OriginLog::new(origin.clone());
        let log = self.logs.get(origin).unwrap_or(&fresh);
        let prepared = log.prepare(arrived.version, arrived.entries)?;
        if prepared.digest() != arrived.digest {
            return Err(Refusal::DigestMismatch);
        }
        // Versions are hashed with their entries, and the latest write always left one: so the version is checked too.
        if prepared.newest() != Some(arrived.version) {
            return Err(Refusal::VersionUnwritten { version: arrived.version });
        }
        let mut latest = Clock::default();
        for (key, bytes) in prepared.puts() {
            let value =
                Value::decode(key, bytes).map_err(|source| Refusal::Value { key: Box::new(key.clone()), source })?;
            let epoch = Clock { wall_ms: key.epoch.wall_ms(), counter: 0 };
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
    fn check_ahead(&self, now: Now, origin: &Origin, latest: Clock) -> Result<(), Refusal> {
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
            let field = self.fields.entry(name.clone()).or_insert_with(|| Field::new(name.clone()));
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
        if self.me.as_ref().is_some_and(|me| me.node == origin.node && me < origin) {
            self.stop_writing(&format!("a later run of this node, {origin}, is live"));
            self.tell(Event::Superseded { by: origin.clone() });
        }
        if self.links.values().any(|link| link.theirs.version(origin) > version) {
            let again = Lack { ask_at: now.tick.plus(FIRST_HAND_MS), asked: 0 };
            self.lacking.insert(origin.clone(), again);
        } else {
            self.lacking.remove(origin);
        }
        self.tick(now);
    }
}
