//! Baselines that callers set, and take away.

use psi_replica::{FieldName, Now};

use super::error::WriteError;
use crate::{
    component::lasting_write::LastingReceipt,
    components::drift::{
        baselines::BaselineView,
        registration::Shortage,
        values::{BaselineCounts, BaselineTitle},
    },
    field::Field,
    replica::Replica,
};

/// What a caller asks to be the baseline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BaselineRequest {
    /// What it is to be called, and who asks.
    pub title: BaselineTitle,
    /// It is to cover the last so many seconds; `None`: as much as is kept.
    pub seconds: Option<u64>,
}

impl Replica {
    /// Makes what is kept of a field's inputs its baseline.
    ///
    /// # Errors
    /// [`WriteError`], among others that too little is kept; nothing is changed then.
    pub fn set_baseline(
        &mut self,
        now: Now,
        name: &FieldName,
        request: BaselineRequest,
    ) -> Result<BaselineView, WriteError> {
        let field = self.watched(name)?;
        let counts = field.kept_baseline(request.seconds).map_err(|shortage| {
            let Shortage { spans, inputs } = shortage;
            WriteError::NoBaseline { field: name.clone(), spans, inputs }
        })?;
        self.write_baseline(now, name, (Some(counts), request.title))?;
        let view = self.view(name).and_then(|view| view.baseline.set().cloned());
        Ok(view.expect("its clock is the greatest, so it holds"))
    }

    /// Takes the baseline of a field away, so that none comes by itself either. Returns when.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn clear_baseline(
        &mut self,
        now: Now,
        name: &FieldName,
        title: BaselineTitle,
    ) -> Result<LastingReceipt, WriteError> {
        self.watched(name)?;
        self.write_baseline(now, name, (None, title))
    }

    /// A field that is watched for drift.
    fn watched(&self, name: &FieldName) -> Result<&Field, WriteError> {
        let field = self.state().existing(name)?;
        let is_watched = field.current().is_some_and(|current| current.spec.setup.parameters.watches_drift());
        if is_watched { Ok(field) } else { Err(WriteError::NotWatched(name.clone())) }
    }

    fn write_baseline(
        &mut self,
        now: Now,
        name: &FieldName,
        asked: (Option<BaselineCounts>, BaselineTitle),
    ) -> Result<LastingReceipt, WriteError> {
        let (state, mut writer) = self.begin_write(now)?;
        if state.existing(name)?.is_checked_out() {
            return Err(WriteError::Busy(name.clone()));
        }
        let (clock, origin, version) = (writer.tick(), writer.origin().clone(), writer.version());
        let field = state.field_mut(name);
        field.write_baseline(&(clock, origin.clone()), version, asked);
        let is_declared = field.is_declared_by(&origin);
        state.dirty.insert(name.clone());
        if !is_declared {
            state.declare_epoch(&mut writer, name);
        }
        Ok(LastingReceipt { clock, origin, version })
    }
}
