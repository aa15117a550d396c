//! The transitions that the origins have learned, and the one that a field is scored with: their mean, weighted by
//! updates within the metric window, or by all updates where none is that recent.
//!
//! Sums are integers, so an origin whose transition changed is replaced in them and the others are not looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use psi_engine::core::{Blend, FixedTransition, Matrix};
use psi_replica::Origin;
use psi_stats::{BUCKETS, SPAN_SECONDS};

/// Numbers in one entry of [`super::THETA`].
pub(crate) const NUMBERS_PER_ENTRY: usize = 8000;

/// All origins' transitions.
#[derive(Clone, Debug)]
pub(crate) struct Transitions {
    dimensions: usize,
    /// What an origin of which nothing is there shares with the others.
    zeros: Arc<FixedTransition>,
    thetas: BTreeMap<Origin, Theta>,
    activities: BTreeMap<Origin, Activity>,
    blend: Blend,
    /// Those that have weight in the blend.
    weighted: BTreeSet<Origin>,
    /// The sum of all recent updates.
    recent: u64,
    /// Those whose weight is to be settled.
    unsettled: BTreeSet<Origin>,
    /// The last second of the window.
    last_second: u64,
    /// Whether what is recent has moved on for all.
    moved_on: bool,
    mean: Option<Matrix>,
    is_mean_stale: bool,
}

/// One origin's transition.
#[derive(Clone, Debug)]
struct Theta {
    transition: Arc<FixedTransition>,
    /// Which of its entries are there.
    present: Vec<bool>,
    updates: u64,
    recent: u64,
    /// What it weighs in the blend.
    weight: u64,
}

/// How many steps an origin took in each second of its window: (second, steps) in slot second mod 64.
#[derive(Clone, Debug)]
struct Activity(Box<[(u64, u64)]>);

impl Activity {
    fn within(&self, last_second: u64) -> u64 {
        let span = last_second.saturating_sub(SPAN_SECONDS - 1)..=last_second;
        let steps = self.0.iter().filter(|(second, _)| span.contains(second)).map(|(_, steps)| *steps);
        steps.fold(0, u64::saturating_add)
    }

    fn slot(&mut self, second: u64) -> &mut (u64, u64) {
        &mut self.0[usize::try_from(second % BUCKETS).expect("below 64")]
    }
}

impl Default for Activity {
    fn default() -> Self {
        Self(vec![(0, 0); usize::try_from(BUCKETS).expect("64")].into())
    }
}

impl Transitions {
    pub(crate) fn new(dimensions: usize) -> Self {
        Self {
            dimensions,
            zeros: Arc::new(FixedTransition::zeros(dimensions)),
            thetas: BTreeMap::new(),
            activities: BTreeMap::new(),
            blend: Blend::new(dimensions),
            weighted: BTreeSet::new(),
            recent: 0,
            unsettled: BTreeSet::new(),
            last_second: 0,
            moved_on: false,
            mean: None,
            is_mean_stale: false,
        }
    }

    /// Puts or takes the numbers of one of an origin's entries; those that don't fit the field's shape are left alone.
    pub(crate) fn change_entry(&mut self, origin: &Origin, index: u64, numbers: &[i64], put: bool) {
        let Ok(index) = usize::try_from(index) else { return };
        let Some(first) = index.checked_mul(NUMBERS_PER_ENTRY) else { return };
        let whole = self.dimensions * self.dimensions;
        if first >= whole || numbers.len() != NUMBERS_PER_ENTRY.min(whole - first) {
            return;
        }
        let theta = self.unweighed(origin);
        if put && !Arc::make_mut(&mut theta.transition).put(first, numbers) {
            return;
        }
        theta.present[index] = put;
    }

    /// Replaces an origin's whole transition.
    pub(crate) fn replace(&mut self, origin: &Origin, transition: FixedTransition) {
        let theta = self.unweighed(origin);
        theta.transition = Arc::new(transition);
        theta.present.fill(true);
    }

    /// The numbers of one entry of an origin's transition.
    pub(crate) fn numbers(&self, origin: &Origin, index: usize) -> Option<&[i64]> {
        self.thetas.get(origin)?.transition.numbers().chunks(NUMBERS_PER_ENTRY).nth(index)
    }

    /// Says how many updates went into an origin's transition.
    pub(crate) fn set_updates(&mut self, origin: &Origin, updates: u64) {
        self.unweighed(origin).updates = updates;
    }

    /// Puts or takes an origin's steps of one second.
    pub(crate) fn change_bucket(&mut self, origin: &Origin, second: u64, steps: u64, put: bool) {
        let activity = self.activities.entry(origin.clone()).or_default();
        let slot = activity.slot(second);
        if put {
            *slot = (second, steps);
        } else if *slot == (second, steps) {
            *slot = (0, 0);
        }
        self.unsettled.insert(origin.clone());
    }

    /// Counts one more step of an origin.
    pub(crate) fn count_step(&mut self, origin: &Origin, second: u64) {
        let slot = self.activities.entry(origin.clone()).or_default().slot(second);
        *slot = (second, if slot.0 == second { slot.1.saturating_add(1) } else { 1 });
        self.unsettled.insert(origin.clone());
    }

    /// The window now ends at this second.
    pub(crate) fn set_last_second(&mut self, second: u64) {
        if self.last_second != second {
            self.last_second = second;
            self.moved_on = true;
        }
    }

    /// How many origins' transitions are in the mean.
    pub(crate) fn weighted(&mut self) -> usize {
        self.settle();
        self.weighted.len()
    }

    /// The mean; `None` where nothing was learned yet.
    pub(crate) fn mean(&mut self) -> Option<&Matrix> {
        self.settle();
        if std::mem::take(&mut self.is_mean_stale) {
            let mut weighted = self.weighted.iter();
            self.mean = match (weighted.next().and_then(|origin| self.thetas.get(origin)), weighted.next()) {
                (Some(only), None) => Some(only.transition.to_matrix()),
                _ => self.blend.mean(),
            };
        }
        self.mean.as_ref()
    }

    /// An origin's transition, out of the blend until its weight is settled.
    fn unweighed(&mut self, origin: &Origin) -> &mut Theta {
        self.unsettled.insert(origin.clone());
        self.is_mean_stale = true;
        let (dimensions, zeros) = (self.dimensions, &self.zeros);
        let theta = self.thetas.entry(origin.clone()).or_insert_with(|| Theta {
            transition: Arc::clone(zeros),
            present: vec![false; (dimensions * dimensions).div_ceil(NUMBERS_PER_ENTRY)],
            updates: 0,
            recent: 0,
            weight: 0,
        });
        if theta.weight > 0 {
            self.blend.remove(&theta.transition, std::mem::take(&mut theta.weight));
            self.weighted.remove(origin);
        }
        theta
    }

    fn settle(&mut self) {
        let moved_on = std::mem::take(&mut self.moved_on);
        if !moved_on && self.unsettled.is_empty() {
            return;
        }
        let mut unsettled = std::mem::take(&mut self.unsettled);
        if moved_on {
            unsettled.extend(self.thetas.keys().cloned());
        }
        let by_all_before = self.recent == 0;
        for origin in &unsettled {
            let Some(theta) = self.thetas.get_mut(origin) else { continue };
            let steps = self.activities.get(origin).map_or(0, |activity| activity.within(self.last_second));
            let recent = if theta.present.iter().all(|present| *present) { steps.min(theta.updates) } else { 0 };
            self.recent = self.recent.wrapping_sub(theta.recent).wrapping_add(recent);
            theta.recent = recent;
        }
        let by_all = self.recent == 0;
        if by_all != by_all_before {
            unsettled.extend(self.thetas.keys().cloned());
        }
        for origin in &unsettled {
            self.weigh(origin, by_all);
        }
    }

    fn weigh(&mut self, origin: &Origin, by_all: bool) {
        let Some(theta) = self.thetas.get_mut(origin) else { return };
        let is_whole = theta.present.iter().all(|present| *present);
        let weight = if !is_whole {
            0
        } else if by_all {
            theta.updates
        } else {
            theta.recent
        };
        if weight == theta.weight {
            return;
        }
        self.is_mean_stale = true;
        if theta.weight > 0 {
            self.blend.remove(&theta.transition, theta.weight);
        }
        theta.weight = weight;
        if weight > 0 {
            self.blend.add(&theta.transition, weight);
            self.weighted.insert(origin.clone());
        } else {
            self.weighted.remove(origin);
        }
    }
}
