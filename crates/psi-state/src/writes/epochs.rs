//! Epochs of a field: specs, tombstones, and the own writes that others' specs demand. The one place that writes them.

use psi_engine::EngineKind;
use psi_replica::{Epoch, FieldName, Key, Scope, Writer};

use super::error::WriteError;
use crate::{
    component::Component,
    components::{
        specs::{SPEC, SpecValue, Specs},
        tombstones::TOMBSTONE,
    },
    event::StateEvent,
    field::SettleOutcome,
    limits::WIDTH_MAX,
    spec::{CurrentSpec, Setup, Spec},
    state::State,
};

/// Why the own origin leaves older epochs of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A caller asked this replica for it.
    Local,
    /// The field had two shapes in one epoch.
    Disputed,
    /// Another origin wrote a spec of a later epoch.
    Remote,
}

impl State {
    /// Writes the own origin's spec in an epoch after `before`. The setup was checked.
    pub(super) fn raise_epoch(
        &mut self,
        writer: &mut Writer<'_, StateEvent>,
        name: &FieldName,
        setup: (Setup, bool),
        before: Epoch,
        cause: Cause,
    ) -> CurrentSpec {
        self.write_spec(writer, name, setup, |spec| spec.epoch_after(before), cause)
    }

    /// Writes the own origin's spec, with whether it drops the field, in the epoch that it belongs in.
    pub(super) fn write_spec(
        &mut self,
        writer: &mut Writer<'_, StateEvent>,
        name: &FieldName,
        (setup, dropped): (Setup, bool),
        epoch: impl FnOnce(&Spec) -> Epoch,
        cause: Cause,
    ) -> CurrentSpec {
        let spec = Spec { setup, dropped, clock: writer.tick() };
        let epoch = epoch(&spec);
        writer.put(spec_key(name, epoch), Specs::encode(&spec.clone().into()));
        let field = self.field_mut(name);
        field.lasting_mut().specs.put_own(epoch, writer.origin(), spec.clone());
        let outcome = field.settle(Some(writer.origin()), writer.store());
        if let SettleOutcome::Refolded { own_steps_left } = outcome {
            self.tombstone_older_epochs(writer, name, own_steps_left, cause);
        }
        CurrentSpec { field: name.clone(), epoch, spec }
    }

    /// Others moved a field to a new epoch.
    pub(crate) fn leave_older_epochs(&mut self, writer: &mut Writer<'_, StateEvent>, name: &FieldName, steps: u64) {
        self.tombstone_older_epochs(writer, name, steps, Cause::Remote);
    }

    /// Moves a field out of an epoch in which it has two shapes. A node that does not know the engine leaves it to the
    /// others.
    pub(crate) fn leave_disputed_epoch(&mut self, writer: &mut Writer<'_, StateEvent>, name: &FieldName) {
        let field = self.field_mut(name);
        let (before, disputed) = (field.epoch(), field.lasting().specs.disputed().cloned());
        let Some(Spec { setup, dropped, clock: _ }) = disputed else { return };
        if let Ok(setup) = checked(setup) {
            self.raise_epoch(writer, name, (setup, dropped), before, Cause::Disputed);
        }
    }

    /// Ends what the own origin has in older epochs by a tombstone, if it has anything: `steps` of it are left behind.
    fn tombstone_older_epochs(
        &mut self,
        writer: &mut Writer<'_, StateEvent>,
        name: &FieldName,
        steps: u64,
        cause: Cause,
    ) {
        let epoch = self.field_mut(name).epoch();
        let had_unflushed = self.dirty.remove(name);
        if steps == 0 && !had_unflushed && !writer.has_older(name, epoch) {
            return;
        }
        writer.forget_older(name, epoch);
        if cause == Cause::Remote {
            self.republish_spec(writer, name, epoch);
        }
        let tombstones = &mut self.field_mut(name).lasting_mut().steps_dropped;
        let dropped = tombstones.dropped_of(writer.origin()).saturating_add(steps);
        let value = tombstones.put_own(writer.origin(), epoch, dropped);
        let scope = Scope::Epoch(name.clone(), epoch);
        writer.put(Key { scope, lane: TOMBSTONE, index: 0 }, value);
        if steps > 0 {
            let asked = cause == Cause::Local;
            writer.emit(StateEvent::StepsDropped { field: name.clone(), steps, asked });
        }
    }

    /// Repeats another origin's spec as the own one, byte for byte, so that a replica which learns that this origin has
    /// left the older epochs also learns which one it left them for.
    fn republish_spec(&mut self, writer: &mut Writer<'_, StateEvent>, name: &FieldName, epoch: Epoch) {
        let specs = &mut self.field_mut(name).lasting_mut().specs;
        let Some((author, spec)) = specs.spec_author() else { return };
        let (author, spec) = (author.clone(), spec.clone());
        let key = spec_key(name, epoch);
        // The author may have ended: then the base knows the spec, and its bytes are those of this build.
        let held = writer.store().log(&author).and_then(|log| log.value(&key)).cloned();
        let value = held.unwrap_or_else(|| Specs::encode(&SpecValue::from(spec.clone())));
        specs.put_own(epoch, writer.origin(), spec);
        writer.put(key, value);
    }

    /// Repeats the spec of a field's epoch as the own one, if the own origin has none: it has written in the epoch. So
    /// what it counted can still be read when it has ended, by its own word alone.
    pub(super) fn declare_epoch(&mut self, writer: &mut Writer<'_, StateEvent>, name: &FieldName) {
        let field = self.field_mut(name);
        let epoch = field.epoch();
        field.set_declared_by(writer.origin());
        if !field.lasting().specs.has(epoch, writer.origin()) {
            self.republish_spec(writer, name, epoch);
        }
    }
}

fn spec_key(name: &FieldName, epoch: Epoch) -> Key {
    Key { scope: Scope::Epoch(name.clone(), epoch), lane: SPEC, index: 0 }
}

/// Refuses what no field may be.
pub(super) fn checked(setup: Setup) -> Result<Setup, WriteError> {
    setup.shape.engine.parse::<EngineKind>()?;
    if !(1..=WIDTH_MAX).contains(&setup.shape.width) {
        return Err(WriteError::WidthRange(setup.shape.width));
    }
    Ok(setup)
}
