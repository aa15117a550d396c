//! What a field of engine `core` has learned, of all origins: transition, latents, working and episodic memory, time.
//!
//! Everything is bounded for each origin, and merged alike for all: transitions by their weighted mean, latents and
//! memories by (clock, origin), salient moments by (salience, clock, origin), time and counts by exact sums. So the same
//! entries come to the same bits, in whatever order they came.

mod base;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use psi_engine::{
    Parameters,
    core::{EPISODIC_CAPACITY, EpisodicMemory, FieldTime, Matrix, Scored, View, draw, score},
};
use psi_replica::{Clock, Digest, Origin};

use super::{
    transitions::Transitions,
    values::{CoreValue, MEMORIES_PER_ENTRY, Tally},
};
use crate::component::{
    Direction,
    moment::{Moment, Place},
};

/// Memories that come until it is looked again which are outdated: few beside all, and the look costs each of them little.
const TURNOVER: usize = 256;

/// A memory that is so much older than the newest is settled: others have it too, unless they were cut off for as long.
/// Only settled ones outdate others, so that who is told that a memory goes knows those that it goes for.
const SETTLED_MS: u64 = 30_000;

/// The fold of what all origins learned in one epoch. What is large and seldom changes is shared by its copies.
#[derive(Clone, Debug)]
pub(crate) struct CoreFold {
    width: usize,
    seed: u64,
    dimensions: usize,
    /// E and A₀; drawn when they are first needed.
    drawn: Option<Arc<RandomMatrices>>,
    transitions: Transitions,
    /// Grows whenever a live origin's transition changed.
    others_changes: u64,
    tallies: BTreeMap<Origin, Tally>,
    /// The sum of all.
    tally: Tally,
    latents: BTreeMap<Place, Arc<[f64]>>,
    /// Working memories, and how many of these came after what is dissolved.
    working: BTreeSet<Place>,
    working_alive: usize,
    /// The latest memories: as many as the reference would keep of so many taken.
    episodic: EpisodicMemory<Place>,
    /// Those that are held and older: they may become the latest again.
    older: BTreeMap<Place, Arc<[f64]>>,
    /// Memories that were put since somebody looked whether older ones are outdated.
    turnover: usize,
    /// The latest nigredo: latents and working memories before it count no more.
    dissolved: Option<Moment>,
}

#[derive(Debug)]
struct RandomMatrices {
    encoder: Matrix,
    first_transition: Matrix,
}

impl CoreFold {
    pub(crate) fn new(width: usize, seed: u64, dimensions: usize) -> Self {
        Self {
            width,
            seed,
            dimensions,
            drawn: None,
            transitions: Transitions::new(dimensions),
            others_changes: 0,
            tallies: BTreeMap::new(),
            tally: Tally::default(),
            latents: BTreeMap::new(),
            working: BTreeSet::new(),
            working_alive: 0,
            episodic: EpisodicMemory::new(dimensions),
            older: BTreeMap::new(),
            turnover: 0,
            dissolved: None,
        }
    }

    /// Folds in or out one value; one that doesn't fit the field's shape counts for nothing. [`Self::settle`] must
    /// follow.
    pub(crate) fn change(&mut self, origin: &Origin, index: u64, value: &CoreValue, direction: Direction) {
        let put = direction == Direction::Put;
        match value {
            CoreValue::Tally(tally) => self.put_tally(origin, if put { *tally } else { Tally::default() }),
            CoreValue::Theta(numbers) => {
                self.transitions.change_entry(origin, index, numbers, put);
                // One that goes is of an origin that ends, and the base has it then: nothing was learned.
                self.others_changes += u64::from(put);
            }
            CoreValue::Latent { clock, numbers } if self.fits(numbers) => {
                let place = (*clock, origin.clone(), index);
                if put { self.put_latent(place, numbers) } else { self.remove_latent(&place) }
            }
            CoreValue::Working { clock, salience: _, numbers } if self.fits(numbers) => {
                let place = (*clock, origin.clone(), index);
                if put { self.put_working(place) } else { self.remove_working(&place) }
            }
            CoreValue::Memories(memories) => self.change_memories(origin, index, memories, put),
            CoreValue::Ended(ended) if origin.is_base() => self.change_ended(index, ended, put),
            CoreValue::Latent { .. } | CoreValue::Working { .. } | CoreValue::Ended(_) => {}
        }
    }

    fn change_memories(&mut self, origin: &Origin, index: u64, memories: &[(Clock, Vec<f64>)], put: bool) {
        for ((clock, numbers), slot) in memories.iter().zip(first_memory(index)..) {
            if !self.fits(numbers) {
                continue;
            }
            let place = (*clock, origin.clone(), slot);
            if put { self.put_memory(place, numbers) } else { self.remove_memory(&place) }
        }
    }

    /// Counts an origin's steps of one second in or out: transitions are weighed by recent steps.
    pub(crate) fn change_bucket(&mut self, origin: &Origin, second: u64, steps: u64, direction: Direction) {
        self.transitions.change_bucket(origin, second, steps, direction == Direction::Put);
    }

    pub(crate) fn put_latent(&mut self, place: Place, numbers: &[f64]) {
        self.latents.insert(place, numbers.into());
    }

    pub(crate) fn remove_latent(&mut self, place: &Place) {
        self.latents.remove(place);
    }

    /// The numbers of a latent that is held.
    pub(crate) fn latent(&self, place: &Place) -> Option<&[f64]> {
        self.latents.get(place).map(|numbers| &numbers[..])
    }

    fn fits(&self, numbers: &[f64]) -> bool {
        numbers.len() == self.dimensions
    }

    pub(crate) fn put_tally(&mut self, origin: &Origin, tally: Tally) {
        let before = self.tallies.insert(origin.clone(), tally).unwrap_or_default();
        let sum = &mut self.tally;
        sum.updates = sum.updates.wrapping_sub(before.updates).wrapping_add(tally.updates);
        sum.memories = sum.memories.wrapping_sub(before.memories).wrapping_add(tally.memories);
        sum.time = FieldTime(sum.time.0.wrapping_sub(before.time.0)).plus(tally.time);
        if before.updates != tally.updates {
            self.transitions.set_updates(origin, tally.updates);
        }
        if tally == Tally::default() {
            self.tallies.remove(origin);
        }
    }

    pub(crate) fn put_working(&mut self, place: Place) {
        let is_alive = self.is_alive(&place);
        if self.working.insert(place) {
            self.working_alive += usize::from(is_alive);
        }
    }

    pub(crate) fn remove_working(&mut self, place: &Place) {
        if self.working.remove(place) {
            self.working_alive -= usize::from(self.is_alive(place));
        }
    }

    fn is_alive(&self, place: &Place) -> bool {
        self.is_alive_at(place.0, &place.1)
    }

    pub(crate) fn is_alive_at(&self, clock: Clock, origin: &Origin) -> bool {
        is_alive(self.dissolved.as_ref(), clock, origin)
    }

    pub(crate) fn put_memory(&mut self, place: Place, numbers: &[f64]) {
        self.turnover += 1;
        let latest = self.older.last_key_value().map(|(latest, _)| latest);
        if self.episodic.oldest().or(latest).is_some_and(|bound| place < *bound) {
            self.older.insert(place, numbers.into());
            return;
        }
        // Before the insertion, so that no room for twice as many is taken.
        self.age((self.episodic.len() + 1).saturating_sub(EPISODIC_CAPACITY));
        self.episodic.insert(place, numbers);
    }

    pub(crate) fn remove_memory(&mut self, place: &Place) {
        if !self.episodic.remove(place) {
            self.older.remove(place);
        }
    }

    /// Lets the oldest of the latest memories go to the older ones.
    fn age(&mut self, count: usize) {
        for _ in 0..count {
            let Some(place) = self.episodic.oldest().cloned() else { return };
            if let Some(numbers) = self.episodic.vector(&place) {
                self.older.insert(place.clone(), numbers.into());
            }
            self.episodic.remove(&place);
        }
    }

    /// Whether so many memories came that it is worth looking which are outdated; if so, the count begins again.
    pub(crate) fn take_turnover(&mut self) -> bool {
        let is_due = self.turnover >= TURNOVER;
        if is_due {
            self.turnover = 0;
        }
        is_due
    }

    /// The first of the latest [`EPISODIC_CAPACITY`] memories that are settled; `None` if there are fewer. No memory before
    /// it can be among the latest of all again: those that follow it go only for later ones.
    pub(crate) fn first_of_latest(&self) -> Option<&Place> {
        let mut latest_first = self.episodic.keys().rev().chain(self.older.keys().rev()).peekable();
        let newest = latest_first.peek()?.0.wall_ms;
        let is_settled = |place: &&Place| place.0.wall_ms.saturating_add(SETTLED_MS) <= newest;
        latest_first.skip_while(|place| !is_settled(place)).nth(EPISODIC_CAPACITY - 1)
    }

    /// The numbers of a memory that is held.
    pub(crate) fn memory(&self, place: &Place) -> Option<Vec<f64>> {
        self.episodic.vector(place).or_else(|| Some(self.older.get(place)?.to_vec()))
    }

    /// Takes note of the field's latest step and of its latest nigredo, and keeps as many memories as there should be.
    pub(crate) fn settle(&mut self, last_second: Option<u64>, dissolved: Option<&Moment>) {
        if let Some(second) = last_second {
            self.transitions.set_last_second(second);
        }
        if self.dissolved.as_ref() != dissolved {
            self.dissolved = dissolved.cloned();
            self.working_alive = self.working.iter().filter(|place| self.is_alive(place)).count();
        }
        let held = self.episodic.len() + self.older.len();
        let want = EpisodicMemory::<Place>::held(self.tally.memories).min(held);
        self.age(self.episodic.len().saturating_sub(want));
        while self.episodic.len() < want {
            let Some((place, numbers)) = self.older.pop_last() else { break };
            self.episodic.insert(place, &numbers);
        }
    }

    /// Scores an input as step `k` of the field.
    ///
    /// # Panics
    /// If the input or the parameters are of another shape than the field.
    pub(crate) fn score(&mut self, input: &[f64], k: u64, parameters: &Parameters) -> Scored {
        let latent = self.dimensions;
        let drawn = self.drawn.get_or_insert_with(|| {
            Arc::new(RandomMatrices {
                encoder: draw::encoder(self.seed, latent, self.width),
                first_transition: draw::first_transition(self.seed, latent),
            })
        });
        let noise = draw::rollout_noise(self.seed, k, parameters.rollouts(), latent);
        let latents = alive_latents(&self.latents, self.dissolved.as_ref(), parameters);
        let view = View {
            encoder: &drawn.encoder,
            transition: self.transitions.mean().unwrap_or(&drawn.first_transition),
            latents: &latents,
            working_memories: self.working_alive,
            episodic: &self.episodic,
        };
        score(input, view, &noise, parameters).expect("a field's parts fit its shape")
    }

    /// Where the latest memories stand, oldest first.
    #[cfg(test)]
    pub(crate) fn episodic_places(&self) -> impl Iterator<Item = &Place> {
        self.episodic.keys()
    }

    /// Takes over what a copy has drawn.
    pub(crate) fn share_drawn(&mut self, copy: &Self) {
        if self.drawn.is_none() {
            self.drawn.clone_from(&copy.drawn);
        }
    }

    /// The latest latent, if it was not dissolved.
    pub(crate) fn previous(&self) -> Option<&[f64]> {
        let (place, latent) = self.latents.last_key_value()?;
        self.is_alive(place).then_some(latent)
    }

    /// The transition that inputs are scored with.
    pub(crate) fn transition(&mut self) -> Matrix {
        match self.transitions.mean() {
            Some(mean) => mean.clone(),
            None => draw::first_transition(self.seed, self.dimensions),
        }
    }

    /// Numbers of a latent vector.
    pub(crate) fn dimensions(&self) -> usize {
        self.dimensions
    }

    pub(crate) fn transitions(&self) -> &Transitions {
        &self.transitions
    }

    pub(crate) fn transitions_mut(&mut self) -> &mut Transitions {
        &mut self.transitions
    }

    /// Grows whenever a live origin's transition changed.
    pub(crate) fn others_changes(&self) -> u64 {
        self.others_changes
    }

    /// t: the sum of all effective steps.
    pub(crate) fn time(&self) -> FieldTime {
        self.tally.time
    }

    /// What is told of it.
    pub(crate) fn summary(&self, parameters: &Parameters) -> LearnedView {
        LearnedView {
            time: self.tally.time,
            updates: self.tally.updates,
            latents: alive_latents(&self.latents, self.dissolved.as_ref(), parameters).len(),
            working_memories: self.working_alive.min(parameters.working_capacity()),
            episodic_memories: self.episodic.len(),
        }
    }

    /// A hash of all that an answer depends on.
    pub(crate) fn fingerprint(&mut self, parameters: &Parameters) -> Digest {
        let mut hasher = blake3::Hasher::new();
        let numbers = |hasher: &mut blake3::Hasher, numbers: &[f64]| {
            hasher.update(&(numbers.len() as u64).to_le_bytes());
            for number in numbers {
                hasher.update(&number.to_bits().to_le_bytes());
            }
        };
        numbers(&mut hasher, self.transition().numbers());
        for latent in alive_latents(&self.latents, self.dissolved.as_ref(), parameters) {
            numbers(&mut hasher, latent);
        }
        for place in self.episodic.keys() {
            hasher.update(&place.0.wall_ms.to_le_bytes()).update(&place.0.counter.to_le_bytes());
            hasher.update(place.1.to_string().as_bytes());
            numbers(&mut hasher, &self.episodic.vector(place).unwrap_or_default());
        }
        hasher.update(&(self.working_alive.min(parameters.working_capacity()) as u64).to_le_bytes());
        hasher.update(&self.tally.time.0.to_le_bytes());
        hasher.into()
    }
}

/// Whether what stands at (clock, origin) came after what is dissolved.
fn is_alive(dissolved: Option<&Moment>, clock: Clock, origin: &Origin) -> bool {
    dissolved.is_none_or(|dissolved| (dissolved.0, &dissolved.1) < (clock, origin))
}

/// The latents that a step is scored against, oldest first: those retained, and one at least.
fn alive_latents<'a>(
    latents: &'a BTreeMap<Place, Arc<[f64]>>,
    dissolved: Option<&Moment>,
    parameters: &Parameters,
) -> Vec<&'a [f64]> {
    let latest = latents.iter().rev().take_while(|(place, _)| is_alive(dissolved, place.0, &place.1));
    let mut alive: Vec<&[f64]> = latest.take(parameters.retention().max(1)).map(|(_, latent)| &latent[..]).collect();
    alive.reverse();
    alive
}

/// The slot of an entry's first memory.
pub(crate) fn first_memory(index: u64) -> u64 {
    index.saturating_mul(MEMORIES_PER_ENTRY as u64)
}

/// What a field of engine `core` has learned, in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnedView {
    /// t: the sum of all effective steps.
    pub time: FieldTime,
    /// Updates of the transition, of all origins.
    pub updates: u64,
    /// Latents that the next step is scored against.
    pub latents: usize,
    /// Vectors in working memory.
    pub working_memories: usize,
    /// Vectors in episodic memory.
    pub episodic_memories: usize,
}
