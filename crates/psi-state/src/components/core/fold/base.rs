//! What the base keeps of what was learned: folded in, and written down.

use psi_engine::{RETENTION_MAX, WORKING_CAPACITY_MAX, core::EPISODIC_CAPACITY};
use psi_stats::COUNT_LIMIT;

use super::CoreFold;
use crate::{
    component::{BaseSink, moment::Place},
    components::core::{
        ended::{
            self, ENDED_EPISODIC, ENDED_LATENTS, ENDED_LEARNERS, ENDED_THETA, ENDED_THETA_SUM, ENDED_WORKING,
            EndedValue, EndedVector, Learner, PLACES_PER_ENTRY, VECTORS_PER_ENTRY, theta_index, theta_part,
        },
        messages::NUMBERS_PER_ENTRY,
        values::{self, TALLY, Tally},
    },
};

impl CoreFold {
    /// Folds in or out what the base holds.
    pub(super) fn change_ended(&mut self, index: u64, ended: &EndedValue, put: bool) {
        match ended {
            EndedValue::Latents(latents) => self.each_fitting(latents, |fold, place, numbers| {
                if put { fold.put_latent(place, numbers) } else { fold.remove_latent(&place) }
            }),
            EndedValue::Episodic(memories) => self.each_fitting(memories, |fold, place, numbers| {
                if put { fold.put_memory(place, numbers) } else { fold.remove_memory(&place) }
            }),
            EndedValue::Working(places) => {
                for place in places.iter().cloned() {
                    if put { self.put_working(place) } else { self.remove_working(&place) }
                }
            }
            EndedValue::Learner(learner) => self.change_learner(learner, put),
            EndedValue::Theta { author, numbers } => {
                self.transitions.change_entry(author, theta_part(index), numbers, put);
            }
            EndedValue::ThetaSum(part) => self.transitions.change_sum(index, part, put),
        }
    }

    fn each_fitting(&mut self, vectors: &[EndedVector], mut change: impl FnMut(&mut Self, Place, &[f64])) {
        for (place, numbers) in vectors {
            if self.fits(numbers) {
                change(self, place.clone(), numbers);
            }
        }
    }

    fn change_learner(&mut self, Learner { author, updates, recent }: &Learner, put: bool) {
        self.transitions.set_updates(author, if put { *updates } else { 0 });
        for (second, steps) in recent {
            self.transitions.change_bucket(author, *second, *steps, put);
        }
    }

    /// Writes the base that comes to the same as this fold of ended origins: sums, the latest of what can still be looked
    /// at, and transitions as they weigh.
    pub(crate) fn write_base(&self, base: &mut BaseSink<'_>) {
        if self.tally != Tally::default() {
            let Tally { updates, time, memories } = self.tally;
            let [updates, memories] = [updates, memories].map(|count| count.min(COUNT_LIMIT - 1));
            base.put(TALLY, 0, values::encode_tally(&Tally { updates, time, memories }));
        }
        let latents: Vec<EndedVector> =
            self.latents.iter().map(|(place, numbers)| (place.clone(), numbers.to_vec())).collect();
        base.put_latest(ENDED_LATENTS, &latents, (RETENTION_MAX, VECTORS_PER_ENTRY), ended::encode_vectors);
        let working: Vec<Place> = self.working.iter().cloned().collect();
        base.put_latest(ENDED_WORKING, &working, (WORKING_CAPACITY_MAX, PLACES_PER_ENTRY), ended::encode_places);
        let memories: Vec<EndedVector> = self.memories().collect();
        base.put_latest(ENDED_EPISODIC, &memories, (EPISODIC_CAPACITY, VECTORS_PER_ENTRY), ended::encode_vectors);
        self.write_transitions(base);
    }

    /// All memories, oldest first.
    fn memories(&self) -> impl Iterator<Item = EndedVector> {
        let older = self.older.iter().map(|(place, numbers)| (place.clone(), numbers.to_vec()));
        let latest = self.episodic.keys().filter_map(|place| Some((place.clone(), self.episodic.vector(place)?)));
        older.chain(latest)
    }

    fn write_transitions(&self, base: &mut BaseSink<'_>) {
        let (learners, sum) = self.transitions.ended();
        for (slot, (learner, transition)) in (0..).zip(learners) {
            base.put(ENDED_LEARNERS, slot, ended::encode_learner(&learner));
            for (part, numbers) in (0..).zip(transition.numbers().chunks(NUMBERS_PER_ENTRY)) {
                base.put(ENDED_THETA, theta_index(slot, part), ended::encode_theta(&learner.author, numbers));
            }
        }
        for (index, part) in (0..).zip(sum.parts()) {
            base.put(ENDED_THETA_SUM, index, ended::encode_sum(&part));
        }
    }
}
