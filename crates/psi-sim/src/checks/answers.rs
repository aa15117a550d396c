//! The last thing in a run: whether the same input gets the same answer everywhere.

use psi_replica::{AHEAD_MS_MAX, FieldName, OFF_MS_MAX};
use psi_state::{Step, WriteError};

use crate::{plan::rng::Rng, world::World};

impl World<'_> {
    /// The last thing in a run: the same input gets the same answer wherever it is given.
    pub(crate) fn check_answers(&mut self, lasting: &[usize]) {
        let Some(first) = lasting.first() else { return };
        for field in self.processes[*first].replica.field_names().collect::<Vec<_>>() {
            let view = self.processes[*first].replica.view(&field);
            let input = Rng::input(&mut self.dice.setups, view.map_or(1, |view| view.spec.spec.setup.shape.width));
            let answers: Vec<_> = lasting.iter().map(|p| self.answer(*p, &field, &input)).collect();
            let Some(differs) = answers.iter().position(|answer| *answer != answers[0]) else { continue };
            let (one, other) = (self.label(*first), self.label(lasting[differs]));
            let (ours, theirs) = (&answers[0], &answers[differs]);
            self.found_wrong(format_args!("{one} and {other} hold the same; in {field} {ours:x?} is not {theirs:x?}"));
        }
    }

    /// What a step is answered, but for who answers and when.
    fn answer(&mut self, p: usize, field: &FieldName, input: &[f64]) -> Result<Answer, WriteError> {
        let process = &mut self.processes[p];
        // The guardian looks at 16 steps of a node in 20 ms of hybrid time. A node that has used them up answers that
        // it did nothing, so the step comes later than any hybrid clock of the run.
        let now = process.now(self.now + AHEAD_MS_MAX + OFF_MS_MAX, &self.machines[process.machine]);
        let step = process.replica.step(now, field, input)?;
        let Step { epoch, metrics, k, novelty, attention_gain, time, intervened, .. } = step;
        let floats = metrics.to_array().into_iter().chain([novelty, attention_gain, time.unwrap_or_default()]);
        Ok((epoch.0, k, floats.map(f64::to_bits).collect(), intervened))
    }
}

/// Epoch, k, bits of all other numbers, and what the guardian did.
type Answer = (u64, u64, Vec<u64>, Option<(psi_engine::Action, psi_engine::guardian::Threat)>);
