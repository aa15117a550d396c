//! Interventions by hand, and red flags that are taken down without one.

use psi_engine::Action;
use psi_replica::{Clock, FieldName, Now, Origin, Version};

use super::error::WriteError;
use crate::{component::lasting_write::LastingReceipt, replica::Replica};

/// What became of an intervention.
#[derive(Clone, Debug, PartialEq)]
pub struct Intervention {
    /// ν once it is folded in, as this replica sees it.
    pub noise: f64,
    /// When it was accepted.
    pub clock: Clock,
    /// Who accepted it.
    pub origin: Origin,
    /// The version that the write took.
    pub version: Version,
}

impl Replica {
    /// Intervenes by hand: an event that every replica folds in clock order.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn intervene(&mut self, now: Now, name: &FieldName, action: Action) -> Result<Intervention, WriteError> {
        let (state, mut writer) = self.begin_write(now)?;
        if state.existing(name)?.is_checked_out() {
            return Err(WriteError::Busy(name.clone()));
        }
        let version = writer.version();
        let (clock, origin) = (writer.tick(), writer.origin().clone());
        let field = state.field_mut(name);
        field.intervene(&(clock, origin.clone()), version, action, None);
        let (noise, is_declared) = (field.noise().value(), field.is_declared_by(&origin));
        state.dirty.insert(name.clone());
        if !is_declared {
            state.declare_epoch(&mut writer, name);
        }
        Ok(Intervention { noise, clock, origin, version })
    }

    /// Takes the red flag of a field down without an intervention: an event, after which an earlier threat does not count.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn acknowledge(&mut self, now: Now, name: &FieldName) -> Result<LastingReceipt, WriteError> {
        let (state, mut writer) = self.begin_write(now)?;
        if state.existing(name)?.is_checked_out() {
            return Err(WriteError::Busy(name.clone()));
        }
        let (clock, origin, version) = (writer.tick(), writer.origin().clone(), writer.version());
        let field = state.field_mut(name);
        field.acknowledge(&(clock, origin.clone()), version);
        let is_declared = field.is_declared_by(&origin);
        state.dirty.insert(name.clone());
        if !is_declared {
            state.declare_epoch(&mut writer, name);
        }
        Ok(LastingReceipt { clock, origin, version })
    }
}
