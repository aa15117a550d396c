//! Clients that step and intervene, write what else there is to write, and what must be refused.

use psi_engine::Action;
use psi_replica::FieldName;
use psi_state::{Step, WriteError};

use crate::{compare::CLIENT_WRITES, oracle::OracleFrontier, report::markers::Marker, world::World};

/// A lane that this version does not know.
#[cfg(feature = "testing")]
const UNKNOWN_LANE: psi_replica::Lane = psi_replica::Lane(99);

impl World<'_> {
    pub(super) fn step(&mut self, p: usize, field: &FieldName, size: u64) -> Result<(), WriteError> {
        let view = self.processes[p].replica.view(field);
        let width = view.as_ref().map_or(1, |view| view.spec.spec.setup.shape.width);
        let inputs: Vec<Vec<f64>> = (0..size).map(|_| self.input(width)).collect();
        let slices: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let seen = self.book.frontier_of(&self.processes[p].replica);
        let steps = self.with(p, |replica, now| replica.step_batch(now, field, &slices))?;
        let before = view.map_or(0, |view| view.moments.count);
        for ((step, input), k) in steps.iter().zip(&inputs).zip(before + 1..) {
            if step.k != k {
                self.found_wrong(format_args!("{} counted a step of {field} as {}, not {k}", self.label(p), step.k));
            }
            self.record_accepted(p, field, step, input, &seen);
        }
        if steps.iter().any(|step| step.intervened.is_some()) {
            self.begin_rush(p, field);
        }
        Ok(())
    }

    /// What clients send; of some, all numbers lie nearer to 0 from some moment on.
    fn input(&mut self, width: usize) -> Vec<f64> {
        const NEARER: f64 = 1.0 / 64.0;
        let mut input = self.dice.workload.input(width);
        if self.plan.habits.moved_ms.is_some_and(|from| from <= self.now) {
            input.iter_mut().for_each(|number| *number *= NEARER);
        }
        input
    }

    pub(super) fn record_accepted(
        &mut self,
        p: usize,
        field: &FieldName,
        step: &Step,
        input: &[f64],
        seen: &OracleFrontier,
    ) {
        self.counts.writes += 1;
        let Step { version, k, .. } = step;
        let bits: Vec<u64> = input.iter().map(|number| number.to_bits()).collect();
        let label = self.label(p);
        self.trace
            .record(self.now, "step", &bits, &[], || format!("{label:<6} step {k} of {field}, version {version}"));
        self.steps += 1;
        if step.drift.is_drift() {
            self.reach(Marker::DRIFTED);
        }
        if self.plan.hidden_step != Some(self.steps - 1) {
            self.record_step(p, field, step, input, seen);
        }
    }

    pub(super) fn intervene(&mut self, p: usize, field: &FieldName) -> Result<(), WriteError> {
        let action = if self.dice.workload.chance(450) { Action::Nigredo } else { Action::Albedo };
        let before = self.processes[p].replica.view(field).map_or(0.0, |view| view.interventions.noise.value());
        let seen = self.book.frontier_of(&self.processes[p].replica);
        let done = self.with(p, |replica, now| replica.intervene(now, field, action))?;
        self.counts.writes += 1;
        self.record_intervention(p, field, (action, &done), &seen);
        let full = match action {
            Action::Nigredo => psi_engine::Noise::NIGREDO_RISE,
            Action::Albedo => -psi_engine::Noise::ALBEDO_FALL,
        };
        if (before + full - done.noise).abs() > 1e-9 {
            self.reach(Marker::INTERVENTION_CLIPPED);
        }
        self.trace_process(
            p,
            "intervene",
            format_args!("{action} on {field}, ν {}, version {}", done.noise, done.version),
        );
        Ok(())
    }

    /// A write of a lane that only the next version knows.
    #[cfg(feature = "testing")]
    pub(super) fn write_unknown(&mut self, p: usize, field: &FieldName) -> Result<(), WriteError> {
        let (index, value) = (self.dice.workload.below(3), self.dice.workload.raw().to_le_bytes());
        self.with(p, |replica, now| replica.write_unknown(now, field, UNKNOWN_LANE, index, value.to_vec().into()))?;
        let replica = &self.processes[p].replica;
        if let Some(me) = replica.origin() {
            self.book.unknown.insert(me.clone(), replica.version());
        }
        self.trace_process(p, "unknown", format_args!("writes a lane that is not known yet, of {field}"));
        Ok(())
    }

    /// A release can't write such a lane; see the feature `testing`. The dice are thrown all the same.
    #[cfg(not(feature = "testing"))]
    pub(super) fn write_unknown(&mut self, _: usize, _: &FieldName) -> Result<(), WriteError> {
        let _ = (self.dice.workload.below(3), self.dice.workload.raw());
        Ok(())
    }

    /// Writes that must be refused.
    pub(super) fn nonsense(&mut self, p: usize, field: &FieldName) -> Result<(), WriteError> {
        let nobodys = FieldName::new("nobodys").expect("letters");
        let turn = self.dice.workload.below(4);
        let result = self.with(p, |replica, now| match turn {
            0 => replica.step(now, &nobodys, &[0.0]).map(|_| ()),
            1 => replica.step(now, field, &[f64::NAN]).map(|_| ()),
            2 => replica.step_batch(now, field, &[]).map(|_| ()),
            _ => replica.drop_field(now, &FieldName::default_field()).map(|_| ()),
        });
        if result.is_ok() {
            self.found_wrong(format_args!("{} took nonsense number {turn}", self.label(p)));
        }
        result
    }

    /// Clients write what else the components have for them to write.
    pub(super) fn write_components(&mut self, p: usize, field: &FieldName) {
        for component in CLIENT_WRITES.iter().filter(|component| component.per_mille > 0) {
            let rng = self.dice.component(self.plan.seed, component.name);
            if !rng.chance(component.per_mille) {
                continue;
            }
            let mut rng = rng.branch();
            let seen = self.book.frontier_of(&self.processes[p].replica);
            let before = self.processes[p].replica.version();
            match self.with(p, |replica, now| (component.write)(replica, now, field, &mut rng)) {
                Ok(Some(accepted)) => {
                    self.counts.writes += 1;
                    self.processes[p].written = self.processes[p].replica.version();
                    self.trace_process(p, component.name, &accepted.text);
                    self.record_write(p, field, accepted, &seen);
                }
                Ok(None) => {}
                Err(error) => {
                    self.counts.writes_refused += 1;
                    if self.processes[p].replica.version() != before {
                        self.found_wrong(format_args!("{} refused a write and moved: {error}", self.label(p)));
                    }
                }
            }
        }
    }
}
