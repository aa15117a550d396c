//! Deltas that arrive: staged and checked, applied at once when whole, or refused with nothing changed.

use super::Replica;
use crate::{
    delta::{
        refusal::{LinkError, Refusal, RefusedDelta},
        staged::{CompleteDelta, StagedDelta},
    },
    entry::{
        clock::{Clock, Now},
        origin::{Origin, Version},
    },
    links::{
        ORIGINS_MAX,
        inbox::{DeltaInProgress, STAGED_MAX},
        link::LinkId,
    },
    proto,
    replica::event::Event,
    state::State,
    time::AHEAD_MS_MAX,
};

impl<S: State> Replica<S> {
    pub(super) fn handle_delta(&mut self, now: Now, id: LinkId, frame: proto::Delta) -> Result<(), LinkError> {
        let origin = Origin::try_from(frame.origin.clone())?;
        let number = frame.number;
        if !self.local.is(&origin) {
            // A peer that sends a delta holds what it leads to.
            self.record_peer_holds(now, id, &origin, Version(frame.version))?;
        }
        let Err(refusal) = self.receive(now, id, &origin, frame) else { return Ok(()) };
        let Some(link) = self.links.get_mut(id) else { return Ok(()) };
        if link.inbox.refuses_too_many(&origin, ORIGINS_MAX) {
            return Err(LinkError::TooManyOrigins { limit: ORIGINS_MAX });
        }
        link.counts.deltas_refused += 1;
        link.inbox.refuse(&origin, number, refusal.clone());
        if let Some(peer) = link.peer_node().cloned() {
            self.emit(Event::Refused(RefusedDelta { peer, origin, refusal }));
        }
        Ok(())
    }

    /// Stages a frame, and applies the delta once it is whole.
    fn receive(&mut self, now: Now, id: LinkId, origin: &Origin, frame: proto::Delta) -> Result<(), Refusal> {
        if self.local.is(origin) {
            return Err(Refusal::OwnOrigin(origin.clone()));
        }
        let held = self.store.version(origin);
        if Version(frame.version) > held {
            self.check_end(origin, Version(frame.version))?;
        }
        let limit = self.config.delta_bytes_max;
        let Some(link) = self.links.get_mut(id) else { return Ok(()) };
        let is_rival = *origin == Origin::base() && self.ends.is_rivalled;
        if Version(frame.version) <= held && frame.version > frame.base && !is_rival {
            link.inbox.acknowledge(frame.number);
            link.inbox.take(origin);
            return Ok(());
        }
        if link.inbox.is_refused(origin, &frame) {
            return Ok(());
        }
        if Version(frame.base) > held {
            return Err(Refusal::Gap { base: Version(frame.base), held });
        }
        let earlier = link.inbox.number(origin);
        if earlier.is_some_and(|earlier| earlier > frame.number) {
            return Ok(());
        }
        let same = link.inbox.take(origin).filter(|_| earlier == Some(frame.number));
        let (others, others_bytes) = link.inbox.staged();
        if others >= STAGED_MAX {
            return Err(Refusal::TooManyDeltas { limit: STAGED_MAX });
        }
        let mut in_progress = match same {
            Some(in_progress) => in_progress,
            None => DeltaInProgress::fresh(StagedDelta::new(origin, &frame)?),
        };
        let before = in_progress.delta.bytes();
        in_progress.delta.stage::<S>(frame, limit.saturating_sub(others_bytes)).map_err(|refusal| match refusal {
            Refusal::TooLarge { .. } => Refusal::TooLarge { limit },
            other => other,
        })?;
        link.inbox.record_arrived(in_progress.delta.bytes() - before);
        if !in_progress.delta.is_whole() {
            link.inbox.put(now.tick, origin, in_progress);
            return Ok(());
        }
        let complete = in_progress.delta.into_complete().expect("it is whole");
        self.apply_complete(now, id, origin, complete)
    }

    fn apply_complete(&mut self, now: Now, id: LinkId, origin: &Origin, delta: CompleteDelta) -> Result<(), Refusal> {
        if origin.is_base() {
            let (number, version, entries) = (delta.number, delta.version, delta.entries.len());
            self.check_ahead(&Origin::base(), delta.latest)?;
            if origin.is_former_base() {
                self.check_end(origin, version)?;
                self.take_former(origin, delta)?;
            } else {
                self.take_base(delta)?;
            }
            self.record_applied(now, id, origin, (number, version), entries);
            return Ok(());
        }
        // Each frame was checked against the end of its run, the last one just now.
        let CompleteDelta { number, base, version, digest, latest, entries } = delta;
        let held = self.store.version(origin);
        if base > held {
            return Err(Refusal::Gap { base, held });
        }
        let update = self.store.plan(origin, version, entries.into_iter(), S::EPOCH_LANE)?;
        update.check(version, digest)?;
        self.check_ahead(origin, latest)?;
        let entries = update.len();
        self.clock.observe(latest);
        // Who came back without knowing of a run could end others that it holds more of.
        self.ends.moves += u64::from(held == Version::ZERO);
        self.apply(origin, update);
        self.record_applied(now, id, origin, (number, version), entries);
        Ok(())
    }

    /// Refuses clocks that are too far ahead of agreed time, those of epochs and incarnations included.
    pub(super) fn check_ahead(&self, origin: &Origin, latest: Clock) -> Result<(), Refusal> {
        let agreed = self.time.agreed().0;
        let ahead_ms = latest.wall_ms.max(origin.incarnation / 1000).saturating_sub(agreed);
        if ahead_ms > AHEAD_MS_MAX {
            return Err(Refusal::ClockAhead { node: origin.node.clone(), ahead_ms, limit_ms: AHEAD_MS_MAX });
        }
        Ok(())
    }

    fn record_applied(
        &mut self,
        now: Now,
        id: LinkId,
        origin: &Origin,
        (number, version): (u64, Version),
        entries: usize,
    ) {
        if let Some(link) = self.links.get_mut(id) {
            link.record_peer_holds(origin, version);
            // The acknowledgement says it.
            link.inbox.acknowledge(number);
            link.record_known(origin);
            link.counts.deltas_received += 1;
            link.counts.entries_received += entries as u64;
            if let Some(peer) = link.peer_node().cloned() {
                self.emit(Event::Applied { peer, origin: origin.clone(), version, entries });
            }
        }
        if self.local.origin().is_some_and(|own| own.node == origin.node && own < origin) {
            self.local.record_later();
            self.emit(Event::Superseded { by: origin.clone() });
        }
        self.gaps.remove(origin);
        if self.links.any_holds_more(origin, version) {
            self.record_gap(now.tick, origin);
        }
        self.tick(now);
    }
}
