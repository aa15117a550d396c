//! Episodic memory: vectors that were worth keeping, and what a latent reminds of.
//!
//! Which memories there are and when they go is the caller's to say, by key: [`EpisodicMemory::held`] is the
//! reference's rule. Where a vector lies in here changes no bit of what is recalled.

use crate::core::numeric::{NORM_GUARD, add_scaled, norm};

/// Most memories held at a time.
pub const EPISODIC_CAPACITY: usize = 4096;

/// How many go at once when there are too many: a tenth.
pub const EPISODIC_EVICTED: usize = EPISODIC_CAPACITY / 10;

/// How many memories a recall is made of.
pub const RECALLED: usize = 8;

/// Keeps the weights of a recall finite.
const SOFTMAX_GUARD: f64 = 1e-8;

/// Memories side by side: one vector instruction then serves several, while the sum of each runs in index order.
const LANES: usize = 16;

/// Vectors of one length, each under a key that tells the older from the newer: the lesser is the older.
#[derive(Clone, Debug)]
pub struct EpisodicMemory<K> {
    dimensions: usize,
    /// The numbers of slot `s`: `numbers[s / LANES · dimensions + d][s % LANES]`.
    numbers: Vec<[f64; LANES]>,
    /// 1 / (‖v‖ + 1e-12) of each slot.
    inverse_norms: Vec<[f64; LANES]>,
    keys: Vec<K>,
    /// Slots, oldest memory first.
    order: Vec<u32>,
}

/// What a latent reminded of.
#[derive(Clone, Debug, PartialEq)]
pub struct Recall {
    /// ctx: the softmax-weighted sum of the memories nearest to the latent; zeros for an empty memory.
    pub context: Vec<f64>,
    /// q: the mean of their cosines with the latent; 0 for an empty memory.
    pub quality: f64,
}

impl<K: Ord> EpisodicMemory<K> {
    /// An empty memory for vectors of `dimensions` numbers.
    pub fn new(dimensions: usize) -> Self {
        Self { dimensions, numbers: Vec::new(), inverse_norms: Vec::new(), keys: Vec::new(), order: Vec::new() }
    }

    /// The length of its vectors.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many memories are left when `added` were added one by one and the oldest tenth of [`EPISODIC_CAPACITY`] went
    /// whenever there were more than that.
    pub fn held(added: u64) -> usize {
        const FIRST_OVER: u64 = EPISODIC_CAPACITY as u64 + 1;
        let after_first = added.checked_sub(FIRST_OVER).map(|more| more % EPISODIC_EVICTED as u64);
        let held = after_first.map_or(added, |more| FIRST_OVER - EPISODIC_EVICTED as u64 + more);
        usize::try_from(held).expect("at most EPISODIC_CAPACITY")
    }

    /// The key of the oldest memory.
    pub fn oldest(&self) -> Option<&K> {
        self.order.first().map(|&slot| &self.keys[slot as usize])
    }

    /// The keys, oldest first.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator {
        self.order.iter().map(|&slot| &self.keys[slot as usize])
    }

    /// The vector held under `key`.
    pub fn vector(&self, key: &K) -> Option<Vec<f64>> {
        let place = self.place(key).ok()?;
        Some(self.vector_at(self.order[place] as usize))
    }

    /// Takes `vector` in under `key`, in place of what was held under it. Says nothing of capacity.
    ///
    /// # Panics
    /// If the vector's length is not [`Self::dimensions`], or if 2^32 vectors are held.
    pub fn insert(&mut self, key: K, vector: &[f64]) {
        assert_eq!(vector.len(), self.dimensions, "a memory's length");
        let slot = match self.place(&key) {
            Ok(place) => self.order[place] as usize,
            Err(place) => {
                let slot = self.keys.len();
                self.order.insert(place, u32::try_from(slot).expect("fewer than 2^32 memories"));
                self.keys.push(key);
                if slot.is_multiple_of(LANES) {
                    self.numbers.resize(self.numbers.len() + self.dimensions, [0.0; LANES]);
                    self.inverse_norms.push([0.0; LANES]);
                }
                slot
            }
        };
        let (block, lane) = (slot / LANES, slot % LANES);
        for (numbers, &number) in self.block_mut(block).iter_mut().zip(vector) {
            numbers[lane] = number;
        }
        self.inverse_norms[block][lane] = 1.0 / (norm(vector) + NORM_GUARD);
    }

    /// Takes the memory under `key` out; whether there was one.
    pub fn remove(&mut self, key: &K) -> bool {
        let Ok(place) = self.place(key) else { return false };
        let slot = self.order[place] as usize;
        let last = self.keys.len() - 1;
        if slot != last {
            // The last slot's memory fills the gap.
            let moved = self.place(&self.keys[last]).expect("every key has a place");
            self.order[moved] = self.order[place];
            let (from, to) = (last % LANES, slot % LANES);
            for dimension in 0..self.dimensions {
                self.numbers[slot / LANES * self.dimensions + dimension][to] =
                    self.numbers[last / LANES * self.dimensions + dimension][from];
            }
            self.inverse_norms[slot / LANES][to] = self.inverse_norms[last / LANES][from];
        }
        self.order.remove(place);
        self.keys.swap_remove(slot);
        if last.is_multiple_of(LANES) {
            self.numbers.truncate(last / LANES * self.dimensions);
            self.inverse_norms.truncate(last / LANES);
        }
        true
    }

    /// Takes the `count` oldest memories out, or all if there are fewer.
    pub fn remove_oldest(&mut self, count: usize)
    where
        K: Clone,
    {
        for _ in 0..count {
            let Some(oldest) = self.oldest().cloned() else { return };
            self.remove(&oldest);
        }
    }

    /// The [`RECALLED`] memories whose cosines with `latent` are greatest, weighted by the softmax of their cosines. Of
    /// equal cosines the older memory comes first.
    ///
    /// # Panics
    /// If the latent's length is not [`Self::dimensions`].
    pub fn recall(&self, latent: &[f64]) -> Recall {
        assert_eq!(latent.len(), self.dimensions, "a latent's length");
        let nearest = self.nearest(latent);
        let mut context = vec![0.0; self.dimensions];
        let Some(&(greatest, _)) = nearest.first() else { return Recall { context, quality: 0.0 } };
        let weights = nearest.iter().map(|&(cosine, _)| libm::exp(cosine - greatest));
        let total = weights.clone().fold(0.0, |total, weight| total + weight) + SOFTMAX_GUARD;
        for (weight, &(_, slot)) in weights.zip(&nearest) {
            add_scaled(&mut context, weight / total, &self.vector_at(slot));
        }
        let sum = nearest.iter().fold(0.0, |sum, &(cosine, _)| sum + cosine);
        Recall { context, quality: sum / nearest.len() as f64 }
    }

    /// (cosine, slot) of the memories nearest to `latent`, nearest first.
    fn nearest(&self, latent: &[f64]) -> Vec<(f64, usize)> {
        let inverse_norm = 1.0 / (norm(latent) + NORM_GUARD);
        let mut nearest = Vec::with_capacity(RECALLED + 1);
        let mut least = f64::NEG_INFINITY;
        for (block, inverse_norms) in self.inverse_norms.iter().enumerate() {
            let cosines = cosines(self.block(block), latent, inverse_norm, inverse_norms);
            if !cosines.iter().any(|&cosine| cosine >= least) {
                continue;
            }
            let slots = block * LANES..self.len().min((block + 1) * LANES);
            for (cosine, slot) in cosines.into_iter().zip(slots) {
                if cosine >= least {
                    self.rank(&mut nearest, cosine, slot);
                    least = if nearest.len() < RECALLED { f64::NEG_INFINITY } else { nearest[RECALLED - 1].0 };
                }
            }
        }
        nearest
    }

    /// Puts a slot in its place among the nearest so far, of which [`RECALLED`] remain.
    fn rank(&self, nearest: &mut Vec<(f64, usize)>, cosine: f64, slot: usize) {
        let before =
            |&(other, at): &(f64, usize)| other > cosine || (other == cosine && self.keys[at] < self.keys[slot]);
        let place = nearest.iter().rposition(before).map_or(0, |last| last + 1);
        if place < RECALLED {
            nearest.insert(place, (cosine, slot));
            nearest.truncate(RECALLED);
        }
    }

    fn place(&self, key: &K) -> Result<usize, usize> {
        // Almost always the newest comes in.
        if self.order.last().is_some_and(|&slot| self.keys[slot as usize] < *key) {
            return Err(self.order.len());
        }
        self.order.binary_search_by(|&slot| self.keys[slot as usize].cmp(key))
    }

    fn block(&self, block: usize) -> &[[f64; LANES]] {
        &self.numbers[block * self.dimensions..(block + 1) * self.dimensions]
    }

    fn block_mut(&mut self, block: usize) -> &mut [[f64; LANES]] {
        &mut self.numbers[block * self.dimensions..(block + 1) * self.dimensions]
    }

    fn vector_at(&self, slot: usize) -> Vec<f64> {
        self.block(slot / LANES).iter().map(|numbers| numbers[slot % LANES]).collect()
    }
}

/// The cosines of a block's memories with `latent`; 0 where there is no memory.
fn cosines(block: &[[f64; LANES]], latent: &[f64], inverse_norm: f64, inverse_norms: &[f64; LANES]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for (numbers, &component) in block.iter().zip(latent) {
        for lane in 0..LANES {
            sums[lane] += component * numbers[lane];
        }
    }
    for lane in 0..LANES {
        sums[lane] = sums[lane] * inverse_norms[lane] * inverse_norm;
    }
    sums
}

#[cfg(test)]
mod tests;
