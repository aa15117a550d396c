//! Fields are made, changed, reset and dropped.

use psi_replica::{Epoch, FieldName, Now};

use super::{
    epochs::{Cause, checked},
    error::WriteError,
};
use crate::{
    field::Field,
    replica::Replica,
    spec::{CurrentSpec, Setup},
};

impl Replica {
    /// Makes a field.
    ///
    /// # Errors
    /// [`WriteError`], among others if it exists; nothing is changed then.
    pub fn create_field(
        &mut self,
        now: Now,
        name: &FieldName,
        setup: impl Into<Setup>,
    ) -> Result<CurrentSpec, WriteError> {
        self.readiness().for_writing()?;
        if self.state().existing(name).is_ok() {
            return Err(WriteError::FieldExists(name.clone()));
        }
        self.check_fields()?;
        let (state, mut writer) = self.begin_growth(now)?;
        let setup = checked(setup.into())?;
        let before = state.fields.get(name).map_or(Epoch::IMPLICIT, Field::epoch);
        Ok(state.raise_epoch(&mut writer, name, (setup, false), before, Cause::Local))
    }

    /// Changes a field. Parameters and guardian change in place, and of concurrent changes the latest by clock holds;
    /// what is fixed within an epoch changes only while the field has counted nothing, and takes it to a new epoch.
    ///
    /// # Errors
    /// [`WriteError`], among others if something fixed would change and steps were counted; nothing is changed then.
    pub fn change_field(
        &mut self,
        now: Now,
        name: &FieldName,
        setup: impl Into<Setup>,
    ) -> Result<CurrentSpec, WriteError> {
        let (state, mut writer) = self.begin_write(now)?;
        let setup = setup.into();
        let field = state.existing(name)?;
        let held = &field.current().expect("an existing field has a spec").spec.setup;
        let fixed = |setup: &Setup| (setup.shape.clone(), setup.latent());
        let epoch = field.epoch();
        if fixed(held) == fixed(&setup) {
            return Ok(state.write_spec(&mut writer, name, (setup, false), |_| epoch, Cause::Local));
        }
        let (count, changed) = (field.count(), changed_in_shape(held, &setup));
        if count > 0 {
            return Err(WriteError::Fixed { field: name.clone(), count, changed });
        }
        let setup = checked(setup)?;
        Ok(state.raise_epoch(&mut writer, name, (setup, false), epoch, Cause::Local))
    }

    /// Starts a field over in a new epoch, with the given setup. What was counted is dropped.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn reset_field(
        &mut self,
        now: Now,
        name: &FieldName,
        setup: impl Into<Setup>,
    ) -> Result<CurrentSpec, WriteError> {
        let (state, mut writer) = self.begin_write(now)?;
        let epoch = state.existing(name)?.epoch();
        let setup = checked(setup.into())?;
        Ok(state.raise_epoch(&mut writer, name, (setup, false), epoch, Cause::Local))
    }

    /// Removes a field and all that it counted.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn drop_field(&mut self, now: Now, name: &FieldName) -> Result<CurrentSpec, WriteError> {
        let (state, mut writer) = self.begin_write(now)?;
        let epoch = state.existing(name)?.epoch();
        if name.is_default() {
            return Err(WriteError::Protected);
        }
        Ok(state.raise_epoch(&mut writer, name, (Setup::default(), true), epoch, Cause::Local))
    }
}

/// What of the two setups is fixed and differs.
fn changed_in_shape(held: &Setup, asked: &Setup) -> Vec<&'static str> {
    let (old, new) = (&held.shape, &asked.shape);
    let differs = [
        ("engine", old.engine != new.engine),
        ("width", old.width != new.width),
        ("scale_exponent", old.scale != new.scale),
        ("seed", old.seed != new.seed),
        ("latent_dim", old.engine == new.engine && held.latent() != asked.latent()),
    ];
    differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}
