//! Steps of a model, answered by one of its versions, with how they went.

use std::collections::BTreeMap;

use psi_replica::FieldName;
use psi_rollout::{KeyHash, Latency, Model, Outcome, StepKey, VersionName};
use psi_state::{OutcomeReport, WriteError};

use crate::{
    report::markers::Marker,
    world::{RolloutTurn, World, cast, window_of},
};

/// Steps in a batch while nothing is rolled out.
const IDLE_BATCH: u64 = 2;
/// Keys that steps come from.
const KEYS: u64 = 400;

impl World<'_> {
    /// A batch of steps at some node, and the one after it.
    pub(crate) fn send_steps(&mut self) {
        let Some(run) = self.plan.rollouts.clone().filter(|_| self.is_writing) else { return };
        let wait = Self::around(&mut self.dice.rollouts, run.steps_ms);
        self.turn_after(wait, RolloutTurn::Steps);
        let running: Vec<usize> = (0..self.processes.len()).filter(|p| self.processes[*p].is_running()).collect();
        let Some(p) = self.dice.rollouts.pick(&running).copied() else { return };
        let known = self.rollouts.seats.get(&p).and_then(|seat| seat.known.as_ref());
        let Some(model) = known.map(|known| known.model.clone()) else { return };
        let size = if model.active().is_some() { run.batch } else { IDLE_BATCH };
        for (version, reports) in self.answered(p, &model, size) {
            match self.step_with_outcomes(p, &cast::field(&version), &reports) {
                Ok(()) => self.reach(Marker::OUTCOMES_COUNTED),
                Err(_) => self.counts.writes_refused += 1,
            }
        }
    }

    /// Which version answers each of so many keys, and how that goes.
    fn answered(&mut self, p: usize, model: &Model, size: u64) -> BTreeMap<VersionName, Vec<Option<OutcomeReport>>> {
        let mut answered: BTreeMap<VersionName, Vec<Option<OutcomeReport>>> = BTreeMap::new();
        let machine = self.processes[p].machine;
        for _ in 0..size {
            let text = format!("k{}", self.dice.rollouts.below(KEYS));
            let Ok(key) = StepKey::new(&text) else { continue };
            let Some(version) = model.version_for(Some(key)).cloned() else { continue };
            let slow = if self.rollouts.is_slow_on(&version, machine) { 900 } else { 0 };
            let (fast, is_slow) = (self.dice.rollouts.unit(), self.dice.rollouts.chance(slow));
            let latency = Latency::from_ms(if is_slow { 400.0 } else { 38.0 + 4.0 * fast }).ok();
            let outcome = Outcome { error: false, latency };
            let window = model
                .active()
                .and_then(|rollout| Some((window_of(model, rollout)?, KeyHash::new(rollout.id(), key).bucket())));
            answered.entry(version).or_default().push(Some(OutcomeReport {
                outcome: Some(outcome),
                window,
                measures: [].into(),
            }));
        }
        answered
    }

    fn step_with_outcomes(
        &mut self,
        p: usize,
        field: &FieldName,
        reports: &[Option<OutcomeReport>],
    ) -> Result<(), WriteError> {
        let inputs: Vec<Vec<f64>> = reports.iter().map(|_| self.dice.rollouts.input(1)).collect();
        let slices: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let seen = self.book.frontier_of(&self.processes[p].replica);
        let steps = self.with(p, |replica, now| replica.step_batch_with_outcomes(now, field, &slices, reports))?;
        self.processes[p].written = self.processes[p].replica.version();
        for (step, input) in steps.iter().zip(&inputs) {
            self.record_accepted(p, field, step, input, &seen);
        }
        Ok(())
    }
}
