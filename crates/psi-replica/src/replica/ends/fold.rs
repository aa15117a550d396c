//! The base moves on: by a checkpoint that was decided, or by a peer's base that is ahead.

use std::collections::BTreeSet;

use super::super::Replica;
use crate::{
    delta::{refusal::Refusal, staged::CompleteDelta},
    ends::{base::Base, checkpoint::Checkpoint},
    entry::{
        InvalidValue,
        clock::Clock,
        origin::{Origin, Version},
    },
    replica::event::Event,
    state::{RemoteUpdate, State},
    store::log::{Change, LogUpdate, OriginLog},
};

impl<S: State> Replica<S> {
    /// Folds what the next checkpoint ends, if it is decided and just that is held. Tells whether the base has moved.
    pub(in crate::replica) fn fold_decided(&mut self) -> bool {
        let (base, Some(checkpoint)) = (Origin::base(), self.decided()) else { return false };
        // The fold is of what is flushed.
        self.flush();
        let logs = || checkpoint.ends.keys().chain([&base]).filter_map(|run| self.store.log(run));
        if !logs().all(S::can_fold) || checkpoint.ends.iter().any(|(run, version)| self.held_log(run) != *version) {
            return false; // a peer's base brings it
        }
        let logs = &self.store;
        let ended: Vec<(&Origin, &OriginLog)> =
            checkpoint.ends.keys().filter_map(|run| Some((run, logs.log(run)?))).collect();
        let before = logs.log(&Origin::base());
        let mut entries = S::fold_ended(before, &ended);
        let digest_of = |run: &Origin| logs.log(run).map_or(crate::Digest::ZERO, OriginLog::digest);
        let base = logs.base().after(&checkpoint, logs.formers(), digest_of);
        entries.extend(base.entries());
        let log = before.unwrap_or(&OriginLog::new()).rebased(base.number(), entries);
        let runs = checkpoint.ends.into_iter().filter(|(origin, _)| !origin.is_base()).collect();
        let bytes_before = self.store.size().1;
        let checkpoint = base.number();
        self.rebase(base, log);
        let bytes_freed = bytes_before.saturating_sub(self.store.size().1) as u64;
        self.ends.bytes_freed = self.ends.bytes_freed.saturating_add(bytes_freed);
        self.emit(Event::Ended { checkpoint, runs, bytes_freed });
        true
    }

    fn decided(&self) -> Option<Checkpoint> {
        self.council(self.moment)?.decided().cloned()
    }

    fn held_log(&self, run: &Origin) -> Version {
        self.store.log(run).map_or(Version::ZERO, OriginLog::version)
    }

    /// Takes a peer's base, if it is ahead.
    pub(in crate::replica) fn take_base(&mut self, delta: CompleteDelta) -> Result<(), Refusal> {
        let latest = delta.latest;
        let (base, log) = self.read_base(delta)?;
        self.ends.is_rivalled = false;
        let held = self.store.base();
        if (base.number(), base.hash().short()) <= (held.number(), held.hash().short()) {
            return Ok(());
        }
        let (checkpoint, by) = (held.number(), base.number());
        let (grew, are_apart) = (base.grew_from(held), base.is_apart_from(held));
        match (grew, are_apart) {
            (true, _) => {}
            (false, true) => self.emit(Event::BaseJoined { checkpoint, by }),
            (false, false) => self.emit(Event::BaseReplaced { checkpoint, by }),
        }
        self.clock.observe(latest);
        self.emit_late(&base);
        self.rebase_beside(base, log, !grew && are_apart);
        if !grew {
            self.look_for_gaps();
        }
        Ok(())
    }

    /// Takes a peer's former base: one that gave way to the base that both hold, and counts beside it.
    pub(in crate::replica) fn take_former(&mut self, origin: &Origin, delta: CompleteDelta) -> Result<(), Refusal> {
        let latest = delta.latest;
        let (base, log) = self.read_base(delta)?;
        let held = self.store.base();
        if base.former() != *origin {
            return Err(Refusal::Base(InvalidValue("it is of another chain than its name says".to_owned())));
        }
        if !base.is_apart_from(held) {
            return Err(Refusal::Base(InvalidValue("what it holds may be in the base that is held".to_owned())));
        }
        if self.council(self.moment).is_some_and(|council| council.may_overlay(&base)) {
            let (end, got) = (self.store.version(origin), Version(base.number()));
            return Err(Refusal::Ending { origin: origin.clone(), end, got });
        }
        let rivals = self.rivals_of(origin, &base);
        if rivals
            .iter()
            .any(|(_, rival)| (rival.number(), rival.hash().short()) >= (base.number(), base.hash().short()))
        {
            return Err(Refusal::Base(InvalidValue("what it holds is in another base that gave way".to_owned())));
        }
        for (_, rival) in &rivals {
            self.emit(Event::BaseReplaced { checkpoint: rival.number(), by: base.number() });
        }
        let rivals: Vec<Origin> = rivals.into_iter().map(|(rival, _)| rival).collect();
        self.clock.observe(latest);
        self.emit_late(&base);
        let is_own_over = self.own_if_over(&base);
        let changed = self.store.put_former(base, log, rivals);
        self.take_rebased(&changed, is_own_over, origin);
        Ok(())
    }

    /// Former bases in which runs have ended that ended in another one too, but for those that this one has taken in. Of
    /// such, the one with more checkpoints holds, and of equal ones that with the greater hash.
    fn rivals_of(&self, origin: &Origin, former: &Base) -> Vec<(Origin, Base)> {
        let is_rival = |(name, other): &(&Origin, &Base)| {
            *name != origin && !former.grew_from(other) && !(former.is_apart_from(other) && other.is_apart_from(former))
        };
        let rivals = self.store.formers().iter().filter(is_rival);
        rivals.map(|(name, other)| (name.clone(), other.clone())).collect()
    }

    /// Reads and checks a peer's base.
    fn read_base(&self, delta: CompleteDelta) -> Result<(Base, OriginLog), Refusal> {
        let CompleteDelta { number: _, base: _, version, digest, latest: _, entries } = delta;
        let mut log = OriginLog::new();
        let update = log.plan(version, entries.into_iter(), S::EPOCH_LANE)?;
        update.check(version, digest)?;
        log.commit(update);
        let base = Base::of_log(&log).map_err(|error| Refusal::Base(InvalidValue(error.to_string())))?;
        let named = Clock { wall_ms: base.latest_ms(), counter: 0 };
        self.check_ahead(&Origin::base(), named)?;
        let claims_own = self.local.origin().is_some_and(|own| base.end_of(own) > Some(self.local.version()));
        if claims_own || !base.is_plausible() {
            return Err(Refusal::Base(InvalidValue("it claims what can't be".to_owned())));
        }
        if Version(base.number()) != version {
            return Err(Refusal::Base(InvalidValue(format!("it is of checkpoint {}, not {version}", base.number()))));
        }
        Ok((base, log))
    }

    /// Takes a base of a snapshot, which was checked. The one that holds comes before all other origins.
    pub(in crate::replica) fn restore_base(&mut self, origin: &Origin, update: LogUpdate) {
        let mut log = OriginLog::new();
        log.commit(update);
        let base = Base::of_log(&log).expect("a snapshot's base was read before");
        if origin.is_former_base() {
            let changed = self.store.put_former(base, log, Vec::new());
            self.take_rebased(&changed, None, origin);
        } else {
            self.rebase(base, log);
        }
    }

    /// What ended only in the base that gave way is missing again, and peers may hold it.
    fn look_for_gaps(&mut self) {
        let known = self.links.links().flat_map(|link| link.peer_frontier().iter());
        let missing: BTreeSet<Origin> = known
            .filter(|(origin, version)| *version > self.store.version(origin) && !self.is_over(origin))
            .map(|(origin, _)| origin.clone())
            .collect();
        for origin in missing {
            self.record_gap(self.ticked, &origin);
        }
    }

    /// Names what is held of runs beyond what stands for them in a base.
    fn emit_late(&mut self, base: &Base) {
        let held = self.store.runs().map(|(run, log)| (run.clone(), log.version()));
        let late = held.filter_map(|(origin, held)| {
            let ended = base.end_of(&origin);
            let is_late = ended.map_or(base.is_below_horizon(&origin), |end| held > end);
            is_late.then_some(Event::Late { origin, held, ended })
        });
        for event in late.collect::<Vec<_>>() {
            self.ends.late_runs += 1;
            self.emit(event);
        }
    }

    /// Takes a base in the place of the one that is held.
    fn rebase(&mut self, base: Base, log: OriginLog) {
        self.emit_late(&base);
        self.rebase_beside(base, log, false);
    }

    /// Likewise; if they are `apart`, the one that was held stays beside it, as an origin.
    fn rebase_beside(&mut self, base: Base, log: OriginLog, are_apart: bool) {
        let lost = |former: &&Base| !base.is_apart_from(former) && !base.grew_from(former);
        let lost: Vec<u64> = self.store.formers().values().filter(lost).map(Base::number).collect();
        for checkpoint in lost {
            self.emit(Event::BaseReplaced { checkpoint, by: base.number() });
        }
        let is_own_over = self.own_if_over(&base);
        let changed = self.store.rebase(base, log, are_apart);
        self.take_rebased(&changed, is_own_over, &Origin::base());
    }

    /// The own run, if a base ends it; what it wrote is flushed.
    fn own_if_over(&mut self, base: &Base) -> Option<Origin> {
        let own = self.local.origin().filter(|own| base.end_of(own).is_some() || base.is_below_horizon(own)).cloned();
        if own.is_some() {
            self.flush();
        }
        own
    }

    /// Folds in what changed as a base came.
    fn take_rebased(&mut self, changed: &[(Origin, Vec<Change>)], is_own_over: Option<Origin>, moved: &Origin) {
        for (origin, _) in changed {
            self.forget_run(origin);
        }
        match is_own_over {
            Some(own) => self.remint(&own),
            None => self.apply_rebased(changed),
        }
        self.record_moved(moved);
        self.ends.rest();
        self.ends.record_decision();
        self.ends.touch();
    }

    fn apply_rebased(&mut self, changed: &[(Origin, Vec<Change>)]) {
        let origins: Vec<(&Origin, &[Change])> =
            changed.iter().map(|(origin, changes)| (origin, &changes[..])).collect();
        let (store, local) = (&self.store, self.local.origin());
        for demand in self.state.apply(RemoteUpdate { origins: &origins, store, local }) {
            self.write_demand(demand);
        }
    }

    /// A run has ended: nothing is missing of it any more, and nothing is to be sent.
    fn forget_run(&mut self, origin: &Origin) {
        self.gaps.remove(origin);
        if !origin.is_base() {
            self.ends.registers.forget(origin);
            self.ends.heard.forget(origin);
        }
        for link in self.links.links_mut() {
            link.forget(origin);
        }
    }

    /// The own run goes on under a new origin, and what it wrote before becomes another's. One that has closed goes on
    /// under none.
    pub(in crate::replica) fn remint(&mut self, before: &Origin) {
        self.local.release();
        self.tokens.release_own();
        self.refold();
        if !self.ends.is_closed {
            self.emit(Event::Reminted { before: before.clone() });
            self.mint(self.moment);
        }
    }

    /// Folds all that is held from scratch.
    fn refold(&mut self) {
        self.state = self.state.empty();
        let nothing = OriginLog::new();
        let changed: Vec<(Origin, Vec<Change>)> =
            self.store.logs().map(|(origin, log)| (origin.clone(), nothing.changes_to(log))).collect();
        self.apply_rebased(&changed);
    }
}
