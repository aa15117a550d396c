//! The sum of the transitions of ended origins that took no recent steps.

use psi_engine::core::{Blend, FixedTransition, Matrix};

use super::ended::{SUMS_PER_ENTRY, SumPart};

/// Each transition as often as it was updated. Their mean needs no more than that, but for one alone: that one is exact,
/// so it is counted how many there are.
#[derive(Clone, Debug)]
pub(crate) struct EndedSum {
    blend: Blend,
    transitions: u64,
}

impl EndedSum {
    pub(crate) fn new(dimensions: usize) -> Self {
        Self { blend: Blend::new(dimensions), transitions: 0 }
    }

    /// The sum, which weighs as much as there were updates.
    pub(crate) fn blend(&self) -> &Blend {
        &self.blend
    }

    /// How many transitions it is of.
    pub(crate) fn transitions(&self) -> u64 {
        self.transitions
    }

    /// Adds a transition.
    pub(crate) fn add(&mut self, transition: &FixedTransition, updates: u64) {
        self.blend.add(transition, updates);
        self.transitions = self.transitions.saturating_add(1);
    }

    /// Adds or takes what an entry of a base says; what doesn't fit the field's shape is left alone. There may be two bases.
    pub(crate) fn change(&mut self, index: u64, part: &SumPart, put: bool) {
        let Ok(index) = usize::try_from(index) else { return };
        let whole = self.blend.sums().len();
        let Some(first) = index.checked_mul(SUMS_PER_ENTRY).filter(|first| *first < whole) else { return };
        if part.numbers.len() != SUMS_PER_ENTRY.min(whole - first) {
            return;
        }
        let change = |held: i128, by: i128| if put { held.wrapping_add(by) } else { held.wrapping_sub(by) };
        let count = |held: u64, by: u64| if put { held.wrapping_add(by) } else { held.wrapping_sub(by) };
        let held = self.blend.sums().iter().skip(first);
        let numbers: Vec<i128> = held.zip(&part.numbers).map(|(held, by)| change(*held, *by)).collect();
        self.blend.put(first, &numbers);
        if index == 0 {
            self.blend.set_weight(count(self.blend.weight(), part.updates));
            self.transitions = count(self.transitions, part.transitions);
        }
    }

    /// The one transition that it is of, if it is of one.
    pub(crate) fn only(&self) -> Option<Matrix> {
        (self.transitions == 1).then(|| self.blend.only())?.map(|only| only.to_matrix())
    }

    /// Its entries, in their order; none of the sum of nothing.
    pub(crate) fn parts(&self) -> impl Iterator<Item = SumPart> {
        let sums = if self.transitions == 0 { &[] } else { self.blend.sums() };
        (0..).zip(sums.chunks(SUMS_PER_ENTRY)).map(|(index, numbers)| {
            let first = index == 0;
            let [updates, transitions] = [self.blend.weight(), self.transitions].map(|of| if first { of } else { 0 });
            SumPart { numbers: numbers.to_vec(), updates, transitions }
        })
    }
}
