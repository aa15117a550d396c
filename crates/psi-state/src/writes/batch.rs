//! Many steps, or large ones, worked out beside the replica, so that nobody waits for them.
//!
//! [`Replica::begin_batch`] checks everything and copies the field; [`Batch::run`] scores and takes in on the copy, for
//! as long as that takes; [`Replica::finish_batch`] brings back what the own origin added, as one write. Meanwhile the
//! field takes in what others write, and no other steps or interventions of this replica.

use psi_engine::{EngineKind, core::EPISODIC_CAPACITY};
use psi_replica::{Epoch, FieldName, HybridClock, Now, Origin, Version, WallMs};
use psi_stats::Fixed;

use super::{
    error::WriteError,
    steps::{Step, check_size},
};
use crate::{components::outcomes::OutcomeReport, field::Field, replica::Replica, spec::Setup};

/// Steps that are worked out beside the replica. Dropped unfinished, it must be given back all the same.
#[derive(Debug)]
pub struct Batch {
    name: FieldName,
    epoch: Epoch,
    field: Field,
    origin: Origin,
    clock: HybridClock,
    wall: WallMs,
    inputs: Vec<(Vec<f64>, Option<OutcomeReport>)>,
    /// The inputs in fixed point, one after the other.
    quantized: Vec<Fixed>,
    steps: Vec<Step>,
}

impl Batch {
    /// Scores and takes in all inputs, in their order.
    pub fn run(&mut self) {
        let mut rest = &self.quantized[..];
        for (input, report) in &self.inputs {
            let (fixed, after) = rest.split_at(input.len());
            rest = after;
            let moment = (self.clock.tick(self.wall), self.origin.clone());
            // The version is not known yet.
            let outcome = self.field.step(&moment, Version::ZERO, input, fixed, report.as_ref());
            let outcome = outcome.expect("checked: width, count and engine fit");
            if let Some(threat) = outcome.intervention {
                let moment = (self.clock.tick(self.wall), self.origin.clone());
                self.field.intervene(&moment, Version::ZERO, threat.action(), Some(threat));
            }
            self.steps.push(Step::new(&self.field, outcome, Version::ZERO));
        }
    }
}

impl Replica {
    /// Nanoseconds, very roughly, that so many steps of a field take on an ordinary core.
    #[must_use]
    pub fn cost_ns(&self, field: &FieldName, steps: usize) -> u64 {
        let setup = self.state().fields.get(field).and_then(Field::current).map(|current| &current.spec.setup);
        setup.map_or(0, |setup| cost_ns(setup).saturating_mul(steps as u64))
    }

    /// Begins steps that are to be one write. Until they are finished, other steps and interventions of this replica in
    /// the field fail with [`WriteError::Busy`].
    ///
    /// # Errors
    /// [`WriteError`], naming the vector; nothing is changed then.
    pub fn begin_batch(&mut self, now: Now, name: &FieldName, inputs: &[&[f64]]) -> Result<Batch, WriteError> {
        self.begin_batch_with_outcomes(now, name, inputs, &[])
    }

    /// [`Self::begin_batch`], and counts how each step went. A report that is missing at the end is none.
    ///
    /// # Errors
    /// [`WriteError`], naming the vector; nothing is changed then.
    pub fn begin_batch_with_outcomes(
        &mut self,
        now: Now,
        name: &FieldName,
        inputs: &[&[f64]],
        reports: &[Option<OutcomeReport>],
    ) -> Result<Batch, WriteError> {
        check_size(inputs.len())?;
        let (state, writer) = self.begin_growth(now)?;
        let quantized = state.checked_batch(name, inputs)?;
        let field = state.field_mut(name).check_out();
        let reports = reports.iter().cloned().chain(std::iter::repeat(None));
        Ok(Batch {
            name: name.clone(),
            epoch: field.epoch(),
            field,
            origin: writer.origin().clone(),
            clock: writer.clock(),
            wall: writer.now().wall,
            inputs: inputs.iter().map(|input| input.to_vec()).zip(reports).collect(),
            quantized,
            steps: Vec::with_capacity(inputs.len()),
        })
    }

    /// Takes in what a batch came to, if it was run; else nothing.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] if the field was reset or dropped meanwhile, or the replica goes on as another run;
    /// [`WriteError::NotReady`] if the replica takes
    /// no writes by now; nothing is changed then.
    pub fn finish_batch(&mut self, now: Now, batch: Batch) -> Result<Vec<Step>, WriteError> {
        let Batch { name, epoch, field: copy, origin, clock, wall: _, inputs, quantized: _, mut steps } = batch;
        // What the copy holds as its own share is another run's, if this replica goes on as another by now. The field may
        // be checked out again.
        if self.origin() != Some(&origin) {
            return Err(WriteError::Overtaken(name));
        }
        // It is given back whatever becomes of it.
        let Some(field) = self.state_mut().fields.get_mut(&name) else { return Err(WriteError::Overtaken(name)) };
        field.set_checked_out(false);
        // What has become due meanwhile is written even if the batch is not.
        self.state_mut().await_due(&name);
        let (state, mut writer) = self.begin_write(now)?;
        let stands = |field: &&mut Field| field.current().is_some() && field.epoch() == epoch;
        let Some(field) = state.fields.get_mut(&name).filter(stands) else { return Err(WriteError::Overtaken(name)) };
        if steps.len() != inputs.len() {
            return Ok(Vec::new());
        }
        writer.observe(clock.latest());
        let version = writer.version();
        field.merge_batch(copy, &origin, version);
        let is_declared = field.is_declared_by(&origin);
        state.dirty.insert(name.clone());
        state.await_due(&name);
        if !is_declared {
            state.declare_epoch(&mut writer, &name);
        }
        steps.iter_mut().for_each(|step| step.version = version);
        Ok(steps)
    }
}

/// Measured with `cargo bench -p psi-state --bench step`: what is done for each number of a step costs about as much.
fn cost_ns(setup: &Setup) -> u64 {
    const BASE_NS: usize = 800;
    const NUMBER_NS: usize = 40;
    let width = setup.shape.width;
    let exact = BASE_NS + NUMBER_NS * width;
    if setup.engine() != Some(EngineKind::Core) {
        return exact as u64;
    }
    let parameters = &setup.parameters;
    let (latent, rollouts, retained) = (parameters.latent_dim(), parameters.rollouts(), parameters.retention());
    // Products and sums at two or three a nanosecond; a drawn number, and one of a transition that is blended, at some ten.
    let products = latent * (width + 4 * latent + 8 * rollouts + 2 * retained + EPISODIC_CAPACITY) / 3;
    (exact + products + 12 * (rollouts * latent + latent * latent)) as u64
}
