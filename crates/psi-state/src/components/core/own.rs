//! What the own origin has fold in a field of engine `core`, and in which slots of its lanes it keeps that.

mod memories;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use bytes::Bytes;
use psi_engine::{
    Parameters,
    core::{Absorbed, FieldTime, FixedTransition, Learning, Matrix, Scored, absorb},
};

use psi_replica::{Clock, Origin};

use super::{
    fold::CoreFold,
    messages::NUMBERS_PER_ENTRY,
    values::{self, EPISODIC, LATENTS, MEMORIES_PER_ENTRY, TALLY, THETA, Tally, WORKING},
};
use crate::component::{dirty_slots::Slot, moment::Moment};
use memories::OwnMemories;

/// The own origin's share of [`CoreFold`].
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnCore {
    /// Its transition, exactly as it is published.
    transition: Option<Matrix>,
    /// [`CoreFold::others_changes`] when it was last updated.
    others_changes: u64,
    tally: Tally,
    /// Clocks of its latents, by slot.
    latents: Vec<Clock>,
    /// Its working memories, by slot.
    working: Vec<WorkingMemory>,
    /// Its memories, by slot.
    memories: OwnMemories,
}

/// A working memory.
#[derive(Clone, Debug)]
struct WorkingMemory {
    clock: Clock,
    salience: f64,
    value: Bytes,
}

impl WorkingMemory {
    /// The order in which working memories give way: the least salient first, of equals the newer.
    fn gives_way(&self, other: &Self) -> Ordering {
        self.salience.total_cmp(&other.salience).then(other.clock.cmp(&self.clock))
    }
}

impl OwnCore {
    /// Takes in a step that was scored against `fold`; names the entries that it touched. A memory is kept only of a
    /// step that is to be `recorded`. [`CoreFold::settle`] must follow.
    pub(crate) fn absorb(
        &mut self,
        fold: &mut CoreFold,
        local: &Moment,
        scored: &Scored,
        parameters: &Parameters,
        recorded: bool,
    ) -> Vec<Slot> {
        let mut touched = vec![(TALLY, 0)];
        let absorbed = absorb(scored, fold.previous(), parameters);
        fold.transitions_mut().set_last_second(local.0.second());
        if let Some(learning) = &absorbed.learning {
            self.learn(fold, local, learning, &absorbed.latent);
            let entries = (fold.dimensions() * fold.dimensions()).div_ceil(NUMBERS_PER_ENTRY);
            touched.extend((0..entries as u64).map(|index| (THETA, index)));
        }
        fold.transitions_mut().count_step(&local.1, local.0.second());
        self.tally.time = self.tally.time.plus(FieldTime::of_step(absorbed.dt_eff));
        if absorbed.memorable && recorded {
            let slot = self.remember(fold, local, &absorbed.moment);
            touched.push((EPISODIC, slot / MEMORIES_PER_ENTRY as u64));
            if fold.take_turnover() {
                touched.extend(self.give_up_outdated(fold, &local.1));
            }
        }
        touched.extend(self.hold(fold, local, &absorbed, parameters).map(|index| (WORKING, index)));
        touched.push((LATENTS, self.retain(fold, local, &absorbed.latent, parameters)));
        fold.put_tally(&local.1, self.tally);
        touched
    }

    /// Whether it goes on from its own transition at the next step: no other's has changed since it was last updated.
    pub(crate) fn is_caught_up(&self, fold: &CoreFold) -> bool {
        self.others_changes == fold.others_changes()
    }

    /// Goes on from its own transition at the next step: what has changed is its own.
    pub(crate) fn catch_up(&mut self, fold: &CoreFold) {
        self.others_changes = fold.others_changes();
    }

    /// Corrects its transition: its own, or the mean of all if another's has changed since. So nodes that take turns
    /// learn from each other at every step, and one that is ahead of the others for a while is not held back by them.
    fn learn(&mut self, fold: &mut CoreFold, local: &Moment, by_mean: &Learning, latent: &[f64]) {
        let own = self.transition.take().filter(|_| self.is_caught_up(fold));
        let (mut transition, learning) = match own {
            Some(own) if fold.transitions_mut().weighted() > 1 => {
                let learning = Learning::of(&own, &by_mean.previous, latent);
                (own, learning)
            }
            Some(own) => (own, by_mean.clone()),
            None => (fold.transition(), by_mean.clone()),
        };
        learning.apply(&mut transition);
        let fixed = FixedTransition::from_matrix(&transition);
        self.transition = Some(fixed.to_matrix());
        self.others_changes = fold.others_changes();
        self.tally.updates += 1;
        fold.transitions_mut().replace(&local.1, fixed);
    }

    /// Keeps a moment in episodic memory; returns its slot.
    pub(crate) fn remember(&mut self, fold: &mut CoreFold, (clock, origin): &Moment, vector: &[f64]) -> u64 {
        self.tally.memories += 1;
        let (slot, gone) = self.memories.put(*clock);
        if let Some(gone) = gone {
            fold.remove_memory(&(gone, origin.clone(), slot));
        }
        fold.put_memory((*clock, origin.clone(), slot), vector);
        slot
    }

    /// How many entries [`Self::give_up_outdated`] would give up.
    pub(crate) fn outdated(&self, fold: &CoreFold, local: &Origin) -> usize {
        fold.first_of_latest().map_or(0, |first| self.memories.outdated(local, first))
    }

    /// Gives up memories that can't be among the latest of all any more; names the entries that held them.
    pub(crate) fn give_up_outdated(&mut self, fold: &mut CoreFold, local: &Origin) -> Vec<Slot> {
        let mut touched = Vec::new();
        for _ in 0..self.outdated(fold, local) {
            let Some((entry, given_up)) = self.memories.give_up_oldest() else { break };
            for (slot, clock) in given_up {
                fold.remove_memory(&(clock, local.clone(), slot));
            }
            touched.push((EPISODIC, entry));
        }
        touched
    }

    /// Holds a moment in working memory if it is one of the most salient since the latest nigredo; returns its slot.
    fn hold(
        &mut self,
        fold: &mut CoreFold,
        (clock, origin): &Moment,
        absorbed: &Absorbed,
        parameters: &Parameters,
    ) -> Option<u64> {
        let capacity = parameters.working_capacity();
        let slot = match self.working.iter().position(|memory| !fold.is_alive_at(memory.clock, origin)) {
            Some(dissolved) => dissolved,
            None if self.working.len() < capacity => self.working.len(),
            None => {
                let first = self.working.iter().enumerate().min_by(|left, right| left.1.gives_way(right.1));
                first.filter(|(_, memory)| memory.salience < absorbed.salience)?.0
            }
        };
        let index = slot as u64;
        let value = values::encode_vector(*clock, &absorbed.moment, absorbed.salience);
        let new = WorkingMemory { clock: *clock, salience: absorbed.salience, value };
        match self.working.get_mut(slot) {
            Some(held) => {
                let gone = std::mem::replace(held, new).clock;
                fold.remove_working(&(gone, origin.clone(), index));
            }
            None => self.working.push(new),
        }
        fold.put_working((*clock, origin.clone(), index));
        Some(index)
    }

    /// Retains a latent, in place of the oldest where there are as many as are retained; returns its slot.
    fn retain(
        &mut self,
        fold: &mut CoreFold,
        (clock, origin): &Moment,
        latent: &[f64],
        parameters: &Parameters,
    ) -> u64 {
        let oldest = self.latents.iter().enumerate().min_by_key(|(_, clock)| **clock).map(|(slot, _)| slot);
        let is_full = self.latents.len() >= parameters.retention().max(1);
        let index = oldest.filter(|_| is_full).unwrap_or(self.latents.len()) as u64;
        if let Some(gone) = put_clock(&mut self.latents, index, *clock) {
            fold.remove_latent(&(gone, origin.clone(), index));
        }
        fold.put_latent((*clock, origin.clone(), index), latent);
        index
    }
}

impl OwnCore {
    /// The value of a slot that [`Self::absorb`] named.
    pub(crate) fn value(&self, fold: &CoreFold, origin: &Origin, (lane, index): Slot) -> Option<Bytes> {
        let slot = usize::try_from(index).ok()?;
        match lane {
            TALLY => Some(values::encode_tally(&self.tally)),
            THETA => Some(values::encode_theta(fold.transitions().numbers(origin, slot)?)),
            LATENTS => {
                let clock = *self.latents.get(slot)?;
                Some(values::encode_vector(clock, fold.latent(&(clock, origin.clone(), index))?, 0.0))
            }
            WORKING => Some(self.working.get(slot)?.value.clone()),
            EPISODIC => {
                let memories = self.memories.of_entry(index);
                let memories =
                    memories.filter_map(|(slot, clock)| Some((clock, fold.memory(&(clock, origin.clone(), slot))?)));
                Some(values::encode_memories(memories))
            }
            _ => None,
        }
    }
}

/// Puts a clock in its slot, which is held or the next free one; returns the one that was there.
fn put_clock(clocks: &mut Vec<Clock>, index: u64, clock: Clock) -> Option<Clock> {
    match clocks.get_mut(usize::try_from(index).ok()?) {
        Some(held) => Some(std::mem::replace(held, clock)),
        None => {
            clocks.push(clock);
            None
        }
    }
}
