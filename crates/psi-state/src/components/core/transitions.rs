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

use super::{
    activity::Activity,
    ended::{LEARNERS_MAX, Learner, SumPart},
    ended_sum::EndedSum,
    messages::NUMBERS_PER_ENTRY,
};

/// All origins' transitions.
#[derive(Clone, Debug)]
pub(crate) struct Transitions {
    dimensions: usize,
    /// What an origin of which nothing is there shares with the others.
    zeros: Arc<FixedTransition>,
    thetas: BTreeMap<Origin, Theta>,
    activities: BTreeMap<Origin, Activity>,
    /// Those of ended origins that took no recent steps.
    ended: EndedSum,
    /// Whether these are in the blend.
    is_ended_weighted: bool,
    /// Whether these changed since what is in the blend was settled.
    is_ended_unsettled: bool,
    blend: Blend,
    /// Those that have weight in the blend, one by one.
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

impl Theta {
    fn is_whole(&self) -> bool {
        self.present.iter().all(|present| *present)
    }
}

impl Transitions {
    pub(crate) fn new(dimensions: usize) -> Self {
        Self {
            dimensions,
            zeros: Arc::new(FixedTransition::zeros(dimensions)),
            thetas: BTreeMap::new(),
            activities: BTreeMap::new(),
            ended: EndedSum::new(dimensions),
            is_ended_weighted: false,
            is_ended_unsettled: false,
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
        activity.change(second, steps, put);
        if activity.is_empty() {
            self.activities.remove(origin);
        }
        self.unsettled.insert(origin.clone());
    }

    /// Puts or takes a part of the sum of ended origins' transitions.
    pub(crate) fn change_sum(&mut self, index: u64, part: &SumPart, put: bool) {
        self.weigh_ended(false);
        self.ended.change(index, part, put);
        self.is_ended_unsettled = true;
        self.is_mean_stale = true;
    }

    /// What the base keeps of these, all of them of ended origins: those that took steps within the window, one by one, and
    /// the sum of all others.
    pub(crate) fn ended(&self) -> (Vec<(Learner, &FixedTransition)>, EndedSum) {
        let mut learners: Vec<_> =
            self.thetas.iter().filter_map(|(author, theta)| self.learner(author, theta)).collect();
        // The latest first, those without recent steps last.
        learners.sort_by(|(left, _), (right, _)| right.place().cmp(&left.place()));
        let recent = learners.iter().filter(|(learner, _)| !learner.recent.is_empty()).count();
        let mut sum = self.ended.clone();
        for (learner, transition) in learners.drain(recent.min(LEARNERS_MAX)..) {
            sum.add(transition, learner.updates);
        }
        (learners, sum)
    }

    /// An origin whose transition may weigh.
    fn learner<'a>(&self, author: &Origin, theta: &'a Theta) -> Option<(Learner, &'a FixedTransition)> {
        let activity = self.activities.get(author).into_iter();
        let recent = activity.flat_map(|activity| activity.seconds(self.last_second)).collect();
        let learner = Learner { author: author.clone(), updates: theta.updates, recent };
        (theta.is_whole() && theta.updates > 0).then_some((learner, &*theta.transition))
    }

    /// Counts one more step of an origin.
    pub(crate) fn count_step(&mut self, origin: &Origin, second: u64) {
        self.activities.entry(origin.clone()).or_default().count(second);
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
        self.weighted.len().saturating_add(usize::try_from(self.ended_weighted()).unwrap_or(usize::MAX))
    }

    /// How many ended origins' transitions are in the mean as a sum.
    fn ended_weighted(&self) -> u64 {
        if self.is_ended_weighted { self.ended.transitions() } else { 0 }
    }

    /// The mean; `None` where nothing was learned yet.
    pub(crate) fn mean(&mut self) -> Option<&Matrix> {
        self.settle();
        if std::mem::take(&mut self.is_mean_stale) {
            self.mean = self.only().or_else(|| self.blend.mean());
        }
        self.mean.as_ref()
    }

    /// The one transition that has weight, if it is one: exactly as its origin has it.
    fn only(&self) -> Option<Matrix> {
        match (self.weighted.len(), self.ended_weighted()) {
            (1, 0) => self.thetas.get(self.weighted.first()?).map(|only| only.transition.to_matrix()),
            (0, _) => self.ended.only().filter(|_| self.is_ended_weighted),
            _ => None,
        }
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
        let ended_changed = std::mem::take(&mut self.is_ended_unsettled);
        if !moved_on && !ended_changed && self.unsettled.is_empty() {
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
            let recent = if theta.is_whole() { steps.min(theta.updates) } else { 0 };
            self.recent = self.recent.wrapping_sub(theta.recent).wrapping_add(recent);
            theta.recent = recent;
        }
        let by_all = self.recent == 0;
        if by_all != by_all_before {
            unsettled.extend(self.thetas.keys().cloned());
        }
        for origin in &unsettled {
            self.weigh(origin, by_all);
            self.forget_if_gone(origin);
        }
        self.weigh_ended(by_all && self.ended.transitions() > 0);
    }

    /// Forgets an origin of which nothing is left.
    fn forget_if_gone(&mut self, origin: &Origin) {
        let is_gone = |theta: &Theta| theta.updates == 0 && !theta.present.contains(&true);
        if self.thetas.get(origin).is_some_and(is_gone) {
            self.thetas.remove(origin);
        }
    }

    /// Puts the sum of ended origins' transitions into the blend, or takes it out.
    fn weigh_ended(&mut self, is_weighted: bool) {
        if self.is_ended_weighted == is_weighted {
            return;
        }
        self.is_ended_weighted = is_weighted;
        self.is_mean_stale = true;
        if is_weighted {
            self.blend.merge(self.ended.blend());
        } else {
            self.blend.subtract(self.ended.blend());
        }
    }

    fn weigh(&mut self, origin: &Origin, by_all: bool) {
        let Some(theta) = self.thetas.get_mut(origin) else { return };
        let weight = if !theta.is_whole() {
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
