//! The oracle is told what was accepted, and asked what must be shown.

use psi_engine::Action;
use psi_replica::FieldName;
use psi_state::{CurrentSpec, Intervention, Step};

use crate::{
    compare::{
        AcceptedWrite, AnyWrite, compare, oracle_action, oracle_clock, oracle_origin, oracle_spec, record_step,
        record_write,
    },
    oracle::{FieldWrite, OracleFrontier},
    world::World,
};

/// Steps of which the answer is worked out: one in so many, and none of more numbers than this.
const LOOKS_AT: u64 = 16;
const LOOKS_WIDTH_MAX: usize = 16;

impl World<'_> {
    /// The oracle records an intervention.
    pub(crate) fn record_intervention(
        &mut self,
        p: usize,
        field: &FieldName,
        (action, done): (Action, &Intervention),
        seen: &OracleFrontier,
    ) {
        let Some(view) = self.processes[p].replica.view(field) else { return };
        let stamp = (oracle_origin(&done.origin), done.version.0, oracle_clock(done.clock));
        let what = AnyWrite::Field(FieldWrite::Interventions(oracle_action(action)));
        self.record_write(p, field, AcceptedWrite { stamp, epoch: view.spec.epoch.0, what, text: String::new() }, seen);
    }

    /// The oracle records a create, reset or drop.
    pub(crate) fn record_spec(&mut self, p: usize, spec: &CurrentSpec) {
        let replica = &self.processes[p].replica;
        let Some(origin) = replica.origin() else { return };
        let stamp = (oracle_origin(origin), replica.version().0, oracle_clock(spec.spec.clock));
        let (seen, what) = (self.book.frontier_of(replica), AnyWrite::Field(FieldWrite::Specs(oracle_spec(spec))));
        let accepted = AcceptedWrite { stamp, epoch: spec.epoch.0, what, text: String::new() };
        self.record_write(p, &spec.field, accepted, &seen);
    }

    /// The oracle records a write of an origin that had `seen` so much of the others.
    pub(crate) fn record_write(
        &mut self,
        p: usize,
        field: &FieldName,
        accepted: AcceptedWrite<AnyWrite>,
        seen: &OracleFrontier,
    ) {
        let recorded = record_write(&mut self.book.oracle, seen, field, accepted);
        self.take_recorded(p, recorded);
    }

    /// The oracle records a step, and looks closely at some.
    pub(crate) fn record_step(
        &mut self,
        p: usize,
        field: &FieldName,
        step: &Step,
        input: &[f64],
        seen: &OracleFrontier,
    ) {
        // Where a run is about rollouts, answers of fields are not what is looked for.
        let looks_at = if self.plan.rollouts.is_some() { 32 * LOOKS_AT } else { LOOKS_AT };
        let looks = self.steps.is_multiple_of(looks_at) && input.len() <= LOOKS_WIDTH_MAX;
        let recorded = record_step(&mut self.book.oracle, seen, field, step, input, looks);
        self.take_recorded(p, recorded.map_err(|what| format!("step {} of `{field}`: {what}", step.k)));
    }

    fn take_recorded(&mut self, p: usize, result: Result<(), String>) {
        if let Err(what) = result.map_err(not_expected) {
            self.found_wrong(format_args!("{}: {what}", self.label(p)));
        }
        for sight in std::mem::take(&mut self.book.oracle.sights) {
            self.reach(sight);
        }
    }

    /// Holds all views of a replica that has nothing to flush against what the oracle expects at its frontier.
    pub(super) fn ask_oracle(&mut self, p: usize) -> Result<(), String> {
        let replica = &self.processes[p].replica;
        if replica.is_dirty() {
            return Ok(());
        }
        let expected = self.book.oracle.expect(&self.book.frontier_of(replica));
        compare(&expected, replica).map_err(not_expected)?;
        for sight in expected.sights() {
            self.reach(sight);
        }
        Ok(())
    }
}

pub(super) fn not_expected(difference: impl std::fmt::Display) -> String {
    format!("not what the oracle expects: {difference}")
}
