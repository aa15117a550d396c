//! Passes that arrive: staged, checked, applied at once and folded, or refused with nothing changed.

use std::collections::BTreeMap;

use crate::{
    clock::{Clock, Now},
    event::Event,
    field::Field,
    link::{LinkId, STAGINGS_MAX},
    log::{Change, OriginLog, Prepared},
    name::FieldName,
    news::ORIGINS_MAX,
    origin::{Origin, Version},
    pass::{Arrived, Staging},
    proto,
    refusal::{LinkError, Refusal, RefusedPass},
    replica::Replica,
    skew::AHEAD_MS_MAX,
    write::Occasion,
};

impl Replica {
    pub(crate) fn handle_pass(&mut self, now: Now, id: LinkId, frame: proto::Pass) -> Result<(), LinkError> {
        let origin = Origin::try_from(frame.origin.clone())?;
        let pass = frame.pass;
        if self.me.as_ref() != Some(&origin) {
            // Whoever sends a pass holds what it leads to.
            self.peer_holds(now, id, &origin, Version(frame.version))?;
        }
        let Err(refusal) = self.receive(now, id, &origin, frame) else { return Ok(()) };
        if let Some(link) = self.links.get_mut(&id) {
            if link.refused.len() >= ORIGINS_MAX && !link.refused.contains_key(&origin) {
                return Err(LinkError::TooManyOrigins { limit: ORIGINS_MAX });
            }
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
        let limit = self.config.pass_bytes_max;
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        if Version(frame.version) <= held && frame.version > frame.base {
            link.acknowledge(frame.pass);
            link.take_staging(origin);
            return Ok(());
        }
        if link.is_refused(origin, &frame) {
            return Ok(());
        }
        if Version(frame.base) > held {
            return Err(Refusal::Gap { base: Version(frame.base), held });
        }
        let earlier = link.staging(origin).map(Staging::pass);
        if earlier.is_some_and(|earlier| earlier > frame.pass) {
            return Ok(());
        }
        let same = link.take_staging(origin).filter(|_| earlier == Some(frame.pass));
        let (others, others_bytes) = link.staged();
        if others >= STAGINGS_MAX {
            return Err(Refusal::TooManyPasses { limit: STAGINGS_MAX });
        }
        let mut staging = match same {
            Some(staging) => staging,
            None => Staging::new(origin, &frame)?,
        };
        let before = staging.bytes();
        staging.stage(frame, limit.saturating_sub(others_bytes)).map_err(|refusal| match refusal {
            Refusal::TooLarge { .. } => Refusal::TooLarge { limit },
            other => other,
        })?;
        link.note_arrived(staging.bytes() - before);
        if !staging.is_whole() {
            link.put_staging(now.tick, origin, staging);
            return Ok(());
        }
        let arrived = staging.into_arrived().expect("it is whole");
        self.apply(now, id, origin, arrived)
    }

    fn apply(&mut self, now: Now, id: LinkId, origin: &Origin, arrived: Arrived) -> Result<(), Refusal> {
        let Arrived { pass, base, version, digest, latest, entries } = arrived;
        let held = self.frontier().version(origin);
        if base > held {
            return Err(Refusal::Gap { base, held });
        }
        let fresh = OriginLog::new(origin.clone());
        let log = self.logs.get(origin).unwrap_or(&fresh);
        let prepared = log.prepare_hashed(version, entries.into_iter())?;
        prepared.check(version, digest)?;
        self.check_ahead(now, origin, latest)?;
        let entries = prepared.len();
        self.clock.observe(latest);
        self.commit(origin, prepared);
        self.after_apply(now, id, origin, pass, version, entries);
        Ok(())
    }

    /// Takes a checked step of another origin, and folds it in.
    pub(crate) fn commit(&mut self, origin: &Origin, step: Prepared) {
        let version = step.version();
        let log = self.log_mut(origin);
        let before = log.digest();
        let changes = log.commit(step);
        let after = log.digest();
        self.moved(origin, version, before, after);
        self.fold(origin, &changes);
    }

    /// Refuses clocks that are too far ahead of the members' median, those of epochs and incarnations included.
    fn check_ahead(&self, now: Now, origin: &Origin, latest: Clock) -> Result<(), Refusal> {
        let wall = self.skew(now).cluster_wall(now.wall).0;
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
            let refolded = self.settle(name, Occasion::Heard);
            if let (false, Some(field)) = (refolded, self.fields.get_mut(name)) {
                field.change_values(origin, &changes);
            }
            self.resolve(name);
        }
    }

    fn after_apply(&mut self, now: Now, id: LinkId, origin: &Origin, pass: u64, version: Version, entries: usize) {
        if let Some(link) = self.links.get_mut(&id) {
            link.peer_holds(origin, version);
            // The acknowledgement says it.
            link.acknowledge(pass);
            link.teller.is_known(origin);
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
        self.lacking.remove(origin);
        if self.links.values().any(|link| link.theirs().version(origin) > version) {
            self.note_lack(now.tick, origin);
        }
        self.tick(now);
    }
}
