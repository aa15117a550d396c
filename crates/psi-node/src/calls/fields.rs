//! Creating, changing, resetting, dropping and labelling fields, and naming their columns.

pub(crate) mod drift;
pub(crate) mod patch;

use psi_api::Cause;
use psi_ledger::record::Kind;
use psi_replica::{FieldName, Now};
use psi_state::{
    ColumnNames, ColumnNamesError, CurrentSpec, Label, LastingWrite, Replica, Setup, ValueError, WIDTH_MAX, WriteError,
};
use tonic::Code;

use self::patch::{FieldPatch, cause_of_all, new_field, with_default_parameters};
use super::{
    answer::FieldSummary,
    ops::{Ops, unknown_field},
    readiness::writable,
};

impl Ops {
    /// Creates a field, with names of its columns unless there are none. A token comes with it, here and below.
    pub(crate) fn create(
        &self,
        name: &str,
        patch: &FieldPatch,
        names: Vec<String>,
    ) -> Result<(FieldSummary, String), Cause> {
        self.record_kind(Kind::FieldCreation);
        let field = self.record_refusal(self.operator_field(name))?;
        let setup = self.record_refusal(patch.apply_to(new_field()).map_err(|wrong| cause_of_all(&wrong)))?;
        let names = self.record_refusal(ColumnNames::new(names).map_err(|error| bad_names(&error)))?;
        self.write(|replica, now| {
            let (got, want) = (names.len(), setup.shape.width);
            if got != want && !names.is_empty() {
                return Err(WriteError::NamesNumber { field, got, want });
            }
            let current = replica.create_field(now, &field, setup)?;
            if !names.is_empty() {
                replica.attach(now, &field, names)?;
            }
            Ok(FieldSummary::of(replica, current))
        })
    }

    /// Changes what the patch names.
    pub(crate) fn change(&self, name: &str, patch: &FieldPatch) -> Result<(FieldSummary, String), Cause> {
        self.record_kind(Kind::FieldChange);
        self.replace_setup(name, patch, |setup| setup, Replica::change_field)
    }

    /// Starts a new epoch: parameters that the patch does not name get their defaults, the rest stays.
    pub(crate) fn reset(&self, name: &str, patch: &FieldPatch) -> Result<(FieldSummary, String), Cause> {
        self.record_kind(Kind::FieldReset);
        self.replace_setup(name, patch, with_default_parameters, Replica::reset_field)
    }

    /// Removes a field.
    pub(crate) fn drop_field(&self, name: &str) -> Result<(CurrentSpec, String), Cause> {
        self.record_kind(Kind::FieldRemoval);
        let field = self.record_refusal(self.operator_field(name))?;
        self.write(|replica, now| replica.drop_field(now, &field))
    }

    /// Attaches a label to a field; an empty one takes it away.
    pub(crate) fn label(&self, name: &str, text: &str) -> Result<(FieldSummary, String), Cause> {
        self.record_kind(Kind::FieldLabel);
        let field = self.record_refusal(self.operator_field(name))?;
        let label = self.record_refusal(Label::new(text).map_err(|error| bad_label(text, &error)))?;
        self.attach(&field, label)
    }

    /// Names the columns of a field, one name for each; none take the names away.
    pub(crate) fn name_columns(&self, name: &str, names: Vec<String>) -> Result<(FieldSummary, String), Cause> {
        self.record_kind(Kind::ColumnNames);
        let field = self.record_refusal(self.operator_field(name))?;
        let names = self.record_refusal(ColumnNames::new(names).map_err(|error| bad_names(&error)))?;
        self.attach(&field, names)
    }

    fn attach(&self, field: &FieldName, write: impl LastingWrite) -> Result<(FieldSummary, String), Cause> {
        let written = self.context.write(|replica, now| {
            writable(replica)?;
            let view = replica.view(field).ok_or_else(|| unknown_field(replica, field))?;
            replica.attach(now, field, write).map_err(|error| Cause::from(&error))?;
            Ok((FieldSummary::of(replica, view.spec), replica.token().to_string()))
        });
        self.record_refusal(written)
    }

    /// The current setup of a field.
    pub(crate) fn setup_of(&self, name: &str) -> Result<Setup, Cause> {
        self.record_refusal(self.state(name)).map(|(view, _)| view.spec.spec.setup)
    }

    /// Reads a field's setup and writes another, with nothing in between.
    fn replace_setup(
        &self,
        name: &str,
        patch: &FieldPatch,
        base: impl FnOnce(Setup) -> Setup,
        put: impl FnOnce(&mut Replica, Now, &FieldName, Setup) -> Result<CurrentSpec, WriteError>,
    ) -> Result<(FieldSummary, String), Cause> {
        let field = self.record_refusal(self.operator_field(name))?;
        let written = self.context.write(|replica, now| {
            // A node that has not caught up says so, and does not say that there is no such field.
            writable(replica)?;
            let view = replica.view(&field).ok_or_else(|| unknown_field(replica, &field))?;
            let setup = patch.apply_to(base(view.spec.spec.setup)).map_err(|wrong| cause_of_all(&wrong))?;
            let current = put(replica, now, &field, setup).map_err(|error| Cause::from(&error))?;
            Ok((FieldSummary::of(replica, current), replica.token().to_string()))
        });
        self.record_refusal(written)
    }
}

fn bad_label(text: &str, error: &ValueError) -> Cause {
    let cause = Cause::new(Code::InvalidArgument, "BAD_LABEL", format!("label: {error}"));
    match error {
        ValueError::TextCharacter(char) => cause.with("character", format!("U+{:04X}", u32::from(*char))),
        _ => cause.with("got", text.len()).with("limit", Label::BYTES_MAX),
    }
}

fn bad_names(error: &ColumnNamesError) -> Cause {
    let cause = Cause::new(Code::InvalidArgument, "BAD_NAMES", format!("names: {error}"));
    match error {
        ColumnNamesError::Length { column, got } => {
            cause.with("column", column).with("got", got).with("limit", ColumnNames::BYTES_MAX)
        }
        ColumnNamesError::Character { column, character } => {
            cause.with("column", column).with("character", format!("U+{:04X}", u32::from(*character)))
        }
        ColumnNamesError::Repeated { name, first, second } => {
            cause.with("name", name).with("first", first).with("second", second)
        }
        ColumnNamesError::Together { got } => cause.with("got", got).with("limit", ColumnNames::BYTES_TOGETHER_MAX),
        ColumnNamesError::Number { got } => cause.with("got", got).with("limit", WIDTH_MAX),
        _ => cause,
    }
}
