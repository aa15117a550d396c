//! Creating, changing, resetting and dropping fields.

use psi_api::Cause;
use psi_replica::{CurrentSpec, FieldName, Now, Replica, Setup, WriteError};

use super::{
    ops::{Ops, unknown_field},
    patch::{Wanted, cause_of_all, new_field, started_over},
    readiness::writable,
};

impl Ops {
    /// Makes a field; a token comes with it, here and below.
    pub(crate) fn create(&self, name: &str, wanted: &Wanted) -> Result<(CurrentSpec, String), Cause> {
        let field = self.counted(FieldName::new(name).map_err(|error| Cause::from(&error)))?;
        let setup = self.counted(wanted.over(new_field()).map_err(|wrong| cause_of_all(&wrong)))?;
        self.write(|replica, now| replica.create_field(now, &field, setup))
    }

    /// Changes a field: what is not wanted otherwise stays.
    pub(crate) fn change(&self, name: &str, wanted: &Wanted) -> Result<(CurrentSpec, String), Cause> {
        self.put_over(name, wanted, |held| held, Replica::change_field)
    }

    /// Starts a field over: what is not wanted otherwise stays, but for parameters, which get their defaults.
    pub(crate) fn reset(&self, name: &str, wanted: &Wanted) -> Result<(CurrentSpec, String), Cause> {
        self.put_over(name, wanted, started_over, Replica::reset_field)
    }

    /// Removes a field.
    pub(crate) fn drop_field(&self, name: &str) -> Result<(CurrentSpec, String), Cause> {
        let field = self.counted(FieldName::new(name).map_err(|error| Cause::from(&error)))?;
        self.write(|replica, now| replica.drop_field(now, &field))
    }

    /// What a field is now.
    pub(crate) fn setup_of(&self, name: &str) -> Result<Setup, Cause> {
        self.counted(self.state(name)).map(|(view, _)| view.spec.spec.setup)
    }

    /// Reads a field's setup and writes another, with nothing in between.
    fn put_over(
        &self,
        name: &str,
        wanted: &Wanted,
        base: impl FnOnce(Setup) -> Setup,
        put: impl FnOnce(&mut Replica, Now, &FieldName, Setup) -> Result<CurrentSpec, WriteError>,
    ) -> Result<(CurrentSpec, String), Cause> {
        let field = self.counted(FieldName::new(name).map_err(|error| Cause::from(&error)))?;
        let written = self.shared.write(|replica, now| {
            // A node that has not caught up says so, and does not say that there is no such field.
            writable(replica)?;
            let view = replica.view(&field).ok_or_else(|| unknown_field(replica, &field))?;
            let setup = wanted.over(base(view.spec.spec.setup)).map_err(|wrong| cause_of_all(&wrong))?;
            let current = put(replica, now, &field, setup).map_err(|error| Cause::from(&error))?;
            Ok((current, replica.token().to_string()))
        });
        self.counted(written)
    }
}
