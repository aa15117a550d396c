//! Many steps, or large ones, worked out beside the replica, so that nobody waits for them.
//!
//! [`Replica::begin_batch`] checks everything and copies the field; [`Batch::run`] scores and takes in on the copy, for
//! as long as that takes; [`Replica::finish_batch`] brings back what the own origin added, as one write. Meanwhile the
//! field takes in what others write, and no other steps or interventions of this replica.

use psi_engine::{EngineKind, core::EPISODIC_CAPACITY};
use psi_stats::Fixed;

use crate::{
    clock::{Clock, HybridClock, Now, WallMs},
    entry::Entry,
    field::Field,
    interventions::Event,
    key::{Epoch, Key, Lane},
    name::FieldName,
    origin::{Origin, Version},
    replica::Replica,
    spec::Setup,
    value::{self, Value},
    write::{Step, WriteError, step_of},
};

/// Steps that are worked out beside the replica. Dropped unfinished, it must be given back all the same.
#[derive(Debug)]
pub struct Batch {
    name: FieldName,
    epoch: Epoch,
    field: Field,
    /// [`crate::learned::Learned::others_changes`] when it was copied.
    others_changes: u64,
    origin: Origin,
    clock: HybridClock,
    wall: WallMs,
    inputs: Vec<Vec<f64>>,
    /// The inputs in fixed point, one after the other.
    quantized: Vec<Fixed>,
    steps: Vec<Step>,
    events: Vec<(Clock, u64, Event)>,
}

impl Batch {
    /// Scores and takes in all inputs, in their order.
    pub fn run(&mut self) {
        let mut rest = &self.quantized[..];
        for input in &self.inputs {
            let (fixed, after) = rest.split_at(input.len());
            rest = after;
            let moment = (self.clock.tick(self.wall), self.origin.clone());
            // The version is not known yet.
            let stepped = self.field.step(&moment, Version::ZERO, input, fixed);
            let stepped = stepped.expect("checked: width, count and engine fit");
            if let Some(threat) = stepped.threat {
                let moment = (self.clock.tick(self.wall), self.origin.clone());
                let event = self.field.intervene(&moment, Version::ZERO, threat.action(), Some(threat));
                self.events.extend(event.map(|(sequence, event)| (moment.0, sequence, event)));
            }
            self.steps.push(step_of(&self.field, stepped, Version::ZERO));
        }
    }
}

impl Replica {
    /// Nanoseconds, very roughly, that so many steps of a field take on an ordinary core.
    #[must_use]
    pub fn cost_ns(&self, field: &FieldName, steps: usize) -> u64 {
        let setup = self.fields.get(field).and_then(Field::current).map(|current| &current.spec.setup);
        setup.map_or(0, |setup| cost_ns(setup).saturating_mul(steps as u64))
    }

    /// Begins steps that are to be one write. Until they are finished, other steps and interventions of this replica in
    /// the field fail with [`WriteError::Busy`].
    ///
    /// # Errors
    /// [`WriteError`], naming the vector; nothing is changed then.
    pub fn begin_batch(&mut self, now: Now, name: &FieldName, inputs: &[&[f64]]) -> Result<Batch, WriteError> {
        let quantized = self.checked_batch(now, name, inputs)?;
        let origin = self.writing_origin()?;
        let held = self.fields.get_mut(name).expect("checked: the field exists");
        held.is_lent = true;
        let mut field = held.clone();
        field.forget_pending();
        Ok(Batch {
            name: name.clone(),
            epoch: field.epoch(),
            others_changes: field.others_changes(),
            field,
            origin,
            clock: self.clock,
            wall: now.wall,
            inputs: inputs.iter().map(|input| input.to_vec()).collect(),
            quantized,
            steps: Vec::with_capacity(inputs.len()),
            events: Vec::new(),
        })
    }

    /// Takes in what a batch came to, if it was run; else nothing.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] if the field was reset or dropped meanwhile, [`WriteError::NotReady`] if the replica takes
    /// no writes by now; nothing is changed then.
    pub fn finish_batch(&mut self, now: Now, batch: Batch) -> Result<Vec<Step>, WriteError> {
        self.note_now(now);
        let Batch { name, epoch, field: copy, others_changes, origin, clock, inputs, mut steps, events, .. } = batch;
        let Some(field) = self.fields.get_mut(&name) else { return Err(WriteError::Overtaken(name)) };
        field.is_lent = false;
        let is_overtaken = field.current().is_none() || field.epoch() != epoch;
        self.may_write()?;
        if is_overtaken {
            return Err(WriteError::Overtaken(name));
        }
        if steps.len() != inputs.len() {
            return Ok(Vec::new());
        }
        self.clock.observe(clock.latest());
        let version = self.next_version();
        let field = self.fields.get_mut(&name).expect("it was there above");
        let is_quiet = field.others_changes() == others_changes;
        field.take_back(copy, &origin, version, &events, is_quiet);
        for (clock, sequence, event) in events {
            let index = event.index(sequence);
            self.put(Entry {
                key: Key { field: name.clone(), epoch, lane: Lane::INTERVENTIONS, index },
                version,
                value: value::encode_intervention(clock, sequence, &event),
            });
        }
        self.dirty.insert(name);
        steps.iter_mut().for_each(|step| step.version = version);
        Ok(steps)
    }
}

impl Field {
    /// Takes what the own origin added in a copy of this field, as the write `version`. `is_quiet` if no other origin's
    /// transition has changed meanwhile.
    fn take_back(
        &mut self,
        mut copy: Self,
        me: &Origin,
        version: Version,
        events: &[(Clock, u64, Event)],
        is_quiet: bool,
    ) {
        let Some(mut own) = copy.own.take() else { return };
        for (clock, sequence, event) in events {
            // What counts is judged by what is known by now.
            self.interventions.write((*clock, me.clone()), event.index(*sequence), event.clone());
        }
        let before = self.own.take();
        own.retired = self.interventions.retired_of(me);
        if own.retired != before.as_ref().map(|before| before.retired).unwrap_or_default() {
            own.touch(version, [(Lane::GUARDIAN, 0)]);
        }
        for slot in own.pending() {
            let key = Key { field: self.name.clone(), epoch: own.epoch, lane: slot.0, index: slot.1 };
            let old = before.as_ref().and_then(|before| before.value(slot, me, self.learned.as_ref()));
            let new = own.value(slot, me, copy.learned.as_ref());
            for (bytes, put) in [(old, false), (new, true)] {
                let Some(bytes) = bytes else { continue };
                let Ok(value) = Value::decode(&key, &bytes) else { continue };
                self.change_own(me, &key, &value, put);
            }
        }
        own.written_as(version, before.as_ref());
        if let Some((learned, copy)) = self.learned.as_mut().zip(copy.learned.as_ref()) {
            learned.share_drawn(copy);
        }
        let was_caught_up = copy.learned.as_ref().is_some_and(|learned| own.learned.is_caught_up(learned));
        if let Some(learned) = self.learned.as_ref().filter(|_| is_quiet && was_caught_up) {
            own.learned.catch_up(learned);
        }
        self.own = Some(own);
        self.interventions.fold();
        self.settle_learned();
    }
}

/// Measured with `cargo bench -p psi-replica --bench step`: what is done for each number of a step costs about as much.
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
