//! What a field of engine `core` has learned on all nodes.

mod activity;
mod ended;
mod ended_sum;
mod fold;
mod messages;
mod own;
#[cfg(test)]
mod tests;
mod transitions;
mod values;

use bytes::Bytes;
use psi_engine::{
    LATENT_MAX, Parameters,
    core::{FieldTime, Scored},
};
use psi_replica::{Clock, Digest, Key, Lane, Origin, Scope, ScopeKind, Version};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink, dirty_slots::DirtySlots,
        facts::EpochFacts, moment::Moment, value::ValueError,
    },
    components::windows::BucketMove,
    spec::EpochShape,
};
pub use ended::{ENDED_EPISODIC, ENDED_LATENTS, ENDED_LEARNERS, ENDED_THETA, ENDED_THETA_SUM, ENDED_WORKING};
pub use fold::LearnedView;
pub use values::{EPISODIC, LATENTS, TALLY, THETA, WORKING};

use fold::CoreFold;
use messages::{NUMBERS_PER_ENTRY, VECTORS_MAX};
use own::OwnCore;
use values::{CoreValue, MEMORIES_PER_ENTRY};

/// Entries that the own origin gives up at once where it has nothing else to write.
const OUTDATED_MIN: usize = 8;

/// The fold, where the engine learns, and what the own origin has learned.
#[derive(Clone, Debug)]
pub(crate) struct Core {
    fold: Option<CoreFold>,
    own: OwnCore,
    dirty: DirtySlots,
}

impl Core {
    fn fold_of(shape: &EpochShape) -> Option<CoreFold> {
        shape.latent.map(|latent| CoreFold::new(shape.width, shape.seed, latent))
    }

    /// Scores an input as step `k` of the field; `None` where the engine does not learn.
    pub(crate) fn score(&mut self, input: &[f64], k: u64, parameters: &Parameters) -> Option<Scored> {
        Some(self.fold.as_mut()?.score(input, k, parameters))
    }

    /// Learns from an own step, as part of the write `version`. [`Self::settle`] must follow.
    pub(crate) fn absorb(
        &mut self,
        local: &Moment,
        version: Version,
        scored: &Scored,
        parameters: &Parameters,
        recorded: bool,
    ) {
        let Some(fold) = &mut self.fold else { return };
        let touched = self.own.absorb(fold, local, scored, parameters, recorded);
        self.dirty.record(version, touched);
    }

    /// Takes note of buckets that came or went, of the field's latest step and of its latest nigredo.
    pub(crate) fn settle(&mut self, moves: &[BucketMove], last_second: Option<u64>, dissolved: Option<&Moment>) {
        let Some(fold) = &mut self.fold else { return };
        for BucketMove { origin, second, steps, direction } in moves {
            fold.change_bucket(origin, *second, *steps, *direction);
        }
        fold.settle(last_second, dissolved);
    }

    /// Whether the own origin keeps so many memories that others have outdated that it is worth a write to give them up.
    pub(crate) fn has_outdated(&mut self, local: &Origin) -> bool {
        let Some(fold) = &mut self.fold else { return false };
        fold.take_turnover() && self.own.outdated(fold, local) >= OUTDATED_MIN
    }

    /// Gives up the own origin's memories that others have outdated, as part of the write that `version` stands for.
    /// Returns whether there were any.
    pub(crate) fn give_up_outdated(&mut self, local: &Origin, version: impl FnOnce() -> Version) -> bool {
        let Some(fold) = &mut self.fold else { return false };
        let touched = self.own.give_up_outdated(fold, local);
        let has_any = !touched.is_empty();
        if has_any {
            self.dirty.record(version(), touched);
        }
        has_any
    }

    /// t, where the engine keeps it.
    pub(crate) fn time(&self) -> Option<FieldTime> {
        self.fold.as_ref().map(CoreFold::time)
    }

    /// A hash of all that an answer depends on; `None` where the engine does not learn.
    pub(crate) fn fingerprint(&mut self, parameters: &Parameters) -> Option<Digest> {
        Some(self.fold.as_mut()?.fingerprint(parameters))
    }

    fn own_value(&self, local: &Origin, slot: (Lane, u64)) -> Option<Bytes> {
        self.own.value(self.fold.as_ref()?, local, slot)
    }

    fn change_own(&mut self, local: &Origin, (lane, index): (Lane, u64), value: Option<Bytes>, direction: Direction) {
        let key = Key { scope: Scope::Cluster, lane, index };
        let value = value.and_then(|bytes| CoreValue::decode(&key, &bytes).ok());
        if let Some((fold, value)) = self.fold.as_mut().zip(value) {
            fold.change(local, index, &value, direction);
        }
    }
}

impl Component for Core {
    type Value = CoreValue;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(lane: Lane) -> u64 {
        match lane {
            TALLY => 0,
            THETA => (LATENT_MAX * LATENT_MAX).div_ceil(NUMBERS_PER_ENTRY) as u64 - 1,
            EPISODIC => VECTORS_MAX / MEMORIES_PER_ENTRY as u64 - 1,
            lane if ended::LANES.contains(&lane) => ended::last_index(lane),
            _ => VECTORS_MAX - 1,
        }
    }

    fn decode(key: &Key, bytes: &Bytes) -> Result<CoreValue, ValueError> {
        CoreValue::decode(key, bytes)
    }

    fn encode(value: &CoreValue) -> Bytes {
        value.encode()
    }

    fn clock(value: &CoreValue) -> Option<Clock> {
        value.clock()
    }

    fn change(&mut self, origin: &Origin, key: &Key, value: &CoreValue, direction: Direction) {
        if let Some(fold) = &mut self.fold {
            fold.change(origin, key.index, value, direction);
        }
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &Scope) -> (Lane, u64, CoreValue) {
        CoreValue::sample(rng)
    }
}

impl EpochComponent for Core {
    /// What was learned, where the engine learns.
    type View = Option<LearnedView>;

    fn new(shape: &EpochShape) -> Self {
        Self { fold: Self::fold_of(shape), own: OwnCore::default(), dirty: DirtySlots::default() }
    }

    fn restart(&mut self, shape: &EpochShape, _: Option<&Origin>) {
        self.fold = Self::fold_of(shape);
    }

    fn view(&self, facts: &EpochFacts<'_>) -> Option<LearnedView> {
        self.fold.as_ref().map(|fold| fold.summary(facts.parameters))
    }

    fn write_base(&self, _: &EpochFacts<'_>, base: &mut BaseSink<'_>) {
        if let Some(fold) = &self.fold {
            fold.write_base(base);
        }
    }

    fn flush(&mut self, local: &Origin, sink: &mut FlushSink) {
        for (slot, version) in self.dirty.take() {
            if let Some(value) = self.own_value(local, slot) {
                sink.push(slot.0, slot.1, version, value);
            }
        }
    }

    fn forget_pending(&mut self) {
        self.dirty.clear();
    }

    fn merge_own(&mut self, mut copy: Self, local: &Origin, version: Version) {
        let (Some(before), Some(copied)) = (self.fold.as_ref(), copy.fold.as_ref()) else { return };
        // No other origin's transition has changed since the copy was made.
        let is_quiet = before.others_changes() == copied.others_changes();
        let goes_on = is_quiet && copy.own.is_caught_up(copied);
        let slots: Vec<_> = copy.dirty.iter().collect();
        for slot in slots {
            let (old, new) = (self.own_value(local, slot), copy.own_value(local, slot));
            self.change_own(local, slot, old, Direction::Remove);
            self.change_own(local, slot, new, Direction::Put);
        }
        copy.dirty.merge(version, &self.dirty);
        self.own = copy.own;
        self.dirty = copy.dirty;
        if let Some((fold, copied)) = self.fold.as_mut().zip(copy.fold.as_ref()) {
            fold.share_drawn(copied);
            if goes_on {
                self.own.catch_up(fold);
            }
        }
    }
}
