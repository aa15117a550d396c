//! Tombstones: each origin ends its own entries of older epochs, and says how many of its steps that discarded.
//!
//! The replica knows this lane too: an origin's tombstone removes its older entries from its log.

use std::collections::BTreeMap;

use bytes::Bytes;
use psi_replica::{Clock, Epoch, Key, Lane, Origin, Scope, ScopeKind};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, LastingComponent,
        value::{ValueError, encoded, message},
    },
    proto,
};

/// Marks all older epochs of the field as removed by their origin.
pub const TOMBSTONE: Lane = Lane::TOMBSTONE;

/// The tombstones of all origins, with the steps that each has discarded so far, all epochs together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tombstones {
    steps_dropped: BTreeMap<(Origin, Epoch), u64>,
}

impl Tombstones {
    /// Steps of `origin` that resets and drops have discarded so far.
    pub(crate) fn dropped_of(&self, origin: &Origin) -> u64 {
        let all = (origin.clone(), Epoch(0))..=(origin.clone(), Epoch(u64::MAX));
        self.steps_dropped.range(all).next_back().map_or(0, |(_, steps)| *steps)
    }

    /// Puts the own origin's tombstone, in place of its older ones; returns its value.
    pub(crate) fn put_own(&mut self, origin: &Origin, epoch: Epoch, steps: u64) -> Bytes {
        self.steps_dropped.retain(|(writer, _), _| writer != origin);
        self.steps_dropped.insert((origin.clone(), epoch), steps);
        Self::encode(&steps)
    }
}

impl Component for Tombstones {
    /// Steps dropped.
    type Value = u64;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(_: Lane) -> u64 {
        0
    }

    fn decode(_: &Key, bytes: &Bytes) -> Result<u64, ValueError> {
        let proto::TombstoneValue { steps_dropped } = message(bytes)?;
        Ok(steps_dropped)
    }

    fn encode(steps_dropped: &u64) -> Bytes {
        encoded(&proto::TombstoneValue { steps_dropped: *steps_dropped })
    }

    fn clock(_: &u64) -> Option<Clock> {
        None
    }

    fn change(&mut self, origin: &Origin, key: &Key, steps: &u64, direction: Direction) {
        let Scope::Epoch(_, epoch) = key.scope else { return };
        match direction {
            Direction::Put => self.steps_dropped.insert((origin.clone(), epoch), *steps),
            Direction::Remove => self.steps_dropped.remove(&(origin.clone(), epoch)),
        };
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &Scope) -> (Lane, u64, u64) {
        (TOMBSTONE, 0, rng.below(100))
    }
}

impl LastingComponent for Tombstones {
    /// Steps that resets and drops of the field have discarded, as far as their origins have said.
    type View = u64;

    fn view(&self) -> u64 {
        self.steps_dropped.values().fold(0, |sum, steps| sum.saturating_add(*steps))
    }

    /// The sum of what all said. It stands beside the spec that holds, as the replica asks of a tombstone.
    fn write_base(&self, base: &mut BaseSink<'_>) {
        if !self.steps_dropped.is_empty() {
            base.put(TOMBSTONE, 0, Self::encode(&self.view()));
        }
    }
}
