//! What the own origin has learned in a field of engine `core`, and in which slots of its lanes it keeps that.

use std::cmp::Ordering;

use bytes::Bytes;
use psi_engine::{
    Parameters,
    core::{Absorbed, EPISODIC_CAPACITY, FieldTime, FixedTransition, Learning, Matrix, Scored, absorb},
};

use super::{Learned, MEMORIES_PER_ENTRY, NUMBERS_PER_ENTRY, Tally, first_memory};
use crate::{clock::Clock, interventions::Moment, key::Lane, origin::Origin, value};

/// The own origin's share of [`Learned`].
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnLearned {
    /// Its transition, exactly as it is published.
    transition: Option<Matrix>,
    /// [`Learned::others_changes`] when it was last updated.
    others_changes: u64,
    tally: Tally,
    /// Clocks of its latents, by slot.
    latents: Vec<Clock>,
    /// Its working memories, by slot.
    working: Vec<Held>,
    /// Clocks of its memories, by slot.
    memories: Vec<Clock>,
}

/// A lane and an index in it.
pub(crate) type Slot = (Lane, u64);

/// A working memory.
#[derive(Clone, Debug)]
struct Held {
    clock: Clock,
    salience: f64,
    value: Bytes,
}

impl Held {
    /// The order in which working memories give way: the least salient first, of equals the newer.
    fn gives_way(&self, other: &Self) -> Ordering {
        self.salience.total_cmp(&other.salience).then(other.clock.cmp(&self.clock))
    }
}

impl OwnLearned {
    /// Takes in a step that was scored against `learned`; names the entries that it touched. A memory is kept only of a
    /// step that is to be `recorded`. [`Learned::settle`] must follow.
    pub(crate) fn absorb(
        &mut self,
        learned: &mut Learned,
        me: &Moment,
        scored: &Scored,
        parameters: &Parameters,
        recorded: bool,
    ) -> Vec<Slot> {
        let mut touched = vec![(Lane::TALLY, 0)];
        let absorbed = absorb(scored, learned.previous(), parameters);
        learned.transitions.set_last_second(me.0.second());
        if let Some(learning) = &absorbed.learning {
            self.learn(learned, me, learning, &absorbed.latent);
            let entries = (learned.dimensions * learned.dimensions).div_ceil(NUMBERS_PER_ENTRY);
            touched.extend((0..entries as u64).map(|index| (Lane::THETA, index)));
        }
        learned.transitions.count_step(&me.1, me.0.second());
        self.tally.time = self.tally.time.plus(FieldTime::of_step(absorbed.dt_eff));
        if absorbed.memorable && recorded {
            let slot = self.remember(learned, me, &absorbed.moment);
            touched.push((Lane::EPISODIC, slot / MEMORIES_PER_ENTRY as u64));
        }
        touched.extend(self.hold(learned, me, &absorbed, parameters).map(|index| (Lane::WORKING, index)));
        touched.push((Lane::LATENTS, self.retain(learned, me, absorbed.latent, parameters)));
        learned.put_tally(&me.1, self.tally);
        touched
    }

    /// Whether it goes on from its own transition at the next step: no other's has changed since it was last updated.
    pub(crate) fn is_caught_up(&self, learned: &Learned) -> bool {
        self.others_changes == learned.others_changes
    }

    /// Goes on from its own transition at the next step: what has changed is its own.
    pub(crate) fn catch_up(&mut self, learned: &Learned) {
        self.others_changes = learned.others_changes;
    }

    /// Corrects its transition: its own, or the mean of all if another's has changed since. So nodes that take turns
    /// learn from each other at every step, and one that is ahead of the others for a while is not held back by them.
    fn learn(&mut self, learned: &mut Learned, me: &Moment, by_mean: &Learning, latent: &[f64]) {
        let own = self.transition.take().filter(|_| self.is_caught_up(learned));
        let (mut transition, learning) = match own {
            Some(own) if learned.transitions.weighted() > 1 => {
                let learning = Learning::of(&own, &by_mean.previous, latent);
                (own, learning)
            }
            Some(own) => (own, by_mean.clone()),
            None => (learned.transition(), by_mean.clone()),
        };
        learning.apply(&mut transition);
        let fixed = FixedTransition::from_matrix(&transition);
        self.transition = Some(fixed.to_matrix());
        self.others_changes = learned.others_changes;
        self.tally.updates += 1;
        learned.transitions.replace(&me.1, fixed);
    }

    /// Keeps a moment in episodic memory; returns its slot.
    fn remember(&mut self, learned: &mut Learned, (clock, origin): &Moment, vector: &[f64]) -> u64 {
        let index = self.tally.memories % EPISODIC_CAPACITY as u64;
        self.tally.memories += 1;
        if let Some(gone) = put_clock(&mut self.memories, index, *clock) {
            learned.take_memory(&(gone, origin.clone(), index));
        }
        learned.put_memory((*clock, origin.clone(), index), vector);
        index
    }

    /// Holds a moment in working memory if it is one of the most salient since the latest nigredo; returns its slot.
    fn hold(
        &mut self,
        learned: &mut Learned,
        (clock, origin): &Moment,
        absorbed: &Absorbed,
        parameters: &Parameters,
    ) -> Option<u64> {
        let capacity = parameters.working_capacity();
        let slot = match self.working.iter().position(|held| !learned.is_alive_at(held.clock, origin)) {
            Some(dissolved) => dissolved,
            None if self.working.len() < capacity => self.working.len(),
            None => {
                let first = self.working.iter().enumerate().min_by(|left, right| left.1.gives_way(right.1));
                first.filter(|(_, held)| held.salience < absorbed.salience)?.0
            }
        };
        let index = slot as u64;
        let value = value::encode_vector(*clock, &absorbed.moment, absorbed.salience);
        let new = Held { clock: *clock, salience: absorbed.salience, value };
        match self.working.get_mut(slot) {
            Some(held) => {
                let gone = std::mem::replace(held, new).clock;
                learned.take_working(&(gone, origin.clone(), index));
            }
            None => self.working.push(new),
        }
        learned.put_working((*clock, origin.clone(), index), absorbed.salience);
        Some(index)
    }

    /// Retains a latent, in place of the oldest where there are as many as are retained; returns its slot.
    fn retain(
        &mut self,
        learned: &mut Learned,
        (clock, origin): &Moment,
        latent: Vec<f64>,
        parameters: &Parameters,
    ) -> u64 {
        let oldest = self.latents.iter().enumerate().min_by_key(|(_, clock)| **clock).map(|(slot, _)| slot);
        let is_full = self.latents.len() >= parameters.retention().max(1);
        let index = oldest.filter(|_| is_full).unwrap_or(self.latents.len()) as u64;
        if let Some(gone) = put_clock(&mut self.latents, index, *clock) {
            learned.latents.remove(&(gone, origin.clone(), index));
        }
        learned.latents.insert((*clock, origin.clone(), index), latent.into());
        index
    }
}

impl OwnLearned {
    /// The value of a slot that [`Self::absorb`] named.
    pub(crate) fn value(&self, learned: &Learned, origin: &Origin, (lane, index): Slot) -> Option<Bytes> {
        let slot = usize::try_from(index).ok()?;
        match lane {
            Lane::TALLY => Some(value::encode_tally(&self.tally)),
            Lane::THETA => Some(value::encode_theta(learned.transitions.numbers(origin, slot)?)),
            Lane::LATENTS => {
                let clock = *self.latents.get(slot)?;
                Some(value::encode_vector(clock, learned.latents.get(&(clock, origin.clone(), index))?, 0.0))
            }
            Lane::WORKING => Some(self.working.get(slot)?.value.clone()),
            Lane::EPISODIC => {
                let slots = (first_memory(index)..).take(MEMORIES_PER_ENTRY);
                let memories = slots.filter_map(|slot| {
                    let clock = *self.memories.get(usize::try_from(slot).ok()?)?;
                    Some((clock, learned.memory(&(clock, origin.clone(), slot))?))
                });
                Some(value::encode_memories(memories))
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
