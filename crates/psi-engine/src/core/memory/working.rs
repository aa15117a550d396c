//! Working memory: the most salient vectors.
//!
//! Only how many there are reaches a metric (the mnemonic capacity M); the vectors are kept for those who look.

use std::cmp::Ordering;

/// A vector in working memory.
#[derive(Clone, Debug, PartialEq)]
pub struct SalientVector<K> {
    /// How much it mattered; never negative.
    pub salience: f64,
    /// Tells the older from the newer: the lesser is the older.
    pub key: K,
    /// φ of its step.
    pub vector: Vec<f64>,
}

/// Vectors in the order of their salience, greatest first, of equal ones the older first.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkingMemory<K> {
    vectors: Vec<SalientVector<K>>,
}

impl<K> Default for WorkingMemory<K> {
    fn default() -> Self {
        Self { vectors: Vec::new() }
    }
}

impl<K: Ord> WorkingMemory<K> {
    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// The vectors, most salient first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &SalientVector<K>> {
        self.vectors.iter()
    }

    /// Takes a vector in, and lets the least salient go until at most `capacity` are left; whether the new one stays.
    pub fn insert(&mut self, new: SalientVector<K>, capacity: usize) -> bool {
        let place = self.vectors.partition_point(|held| rank(held, &new) == Ordering::Less);
        self.vectors.insert(place, new);
        self.vectors.truncate(capacity);
        place < capacity
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.vectors.clear();
    }
}

fn rank<K: Ord>(left: &SalientVector<K>, right: &SalientVector<K>) -> Ordering {
    right.salience.total_cmp(&left.salience).then_with(|| left.key.cmp(&right.key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn remember(saliences: &[f64], capacity: usize) -> Vec<(f64, usize)> {
        let mut memory = WorkingMemory::default();
        for (key, &salience) in saliences.iter().enumerate() {
            memory.insert(SalientVector { salience, key, vector: Vec::new() }, capacity);
        }
        memory.iter().map(|held| (held.salience, held.key)).collect()
    }

    #[test]
    fn the_best_stay_and_of_equals_the_older() {
        assert_eq!(remember(&[0.5, 0.1, 0.9, 0.5, 0.0], 3), [(0.9, 2), (0.5, 0), (0.5, 3)]);
        assert_eq!(remember(&[0.0, 0.0, 0.0], 2), [(0.0, 0), (0.0, 1)]);
        assert_eq!(remember(&[1.0], 0), []);
    }

    #[test]
    fn an_insertion_tells_whether_the_new_one_stays() {
        let mut memory = WorkingMemory::default();
        let mut insert = |salience, key| memory.insert(SalientVector { salience, key, vector: Vec::new() }, 1);
        assert!(insert(0.5, 0));
        assert!(!insert(0.5, 1));
        assert!(insert(0.6, 2));
    }

    proptest! {
        #[test]
        fn what_stays_is_the_best_of_all_that_came(
            saliences in prop::collection::vec((0_u8..20).prop_map(f64::from), 0..60), capacity in 0_usize..20,
        ) {
            let mut want: Vec<_> = saliences.iter().copied().zip(0..).collect();
            want.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
            want.truncate(capacity);
            prop_assert_eq!(remember(&saliences, capacity), want);
        }
    }
}
