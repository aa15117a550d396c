//! What callers attach to a field, and what outlives its epochs.

use psi_replica::{Change, FieldName, Key, Now, Scope};

use super::error::WriteError;
use crate::{
    component::lasting_write::{LastingReceipt, LastingWrite},
    replica::Replica,
};

impl Replica {
    /// Attaches something to a field in place of what the own origin attached before.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn attach<W: LastingWrite>(
        &mut self,
        now: Now,
        name: &FieldName,
        write: W,
    ) -> Result<LastingReceipt, WriteError> {
        let (state, mut writer) = self.begin_write(now)?;
        let field = state.existing(name)?;
        if let (Some(got), Some(want)) = (write.columns(), field.width())
            && got != want
        {
            return Err(WriteError::NamesNumber { field: name.clone(), got, want });
        }
        let (clock, origin, version) = (writer.tick(), writer.origin().clone(), writer.version());
        let key = Key { scope: Scope::Field(name.clone()), lane: W::LANE, index: write.index() };
        let value = write.encode(clock);
        let change = Change { before: writer.held(&key), after: Some(value.clone()), key: key.clone() };
        writer.put(key, value);
        state.field_mut(name).change_lasting(&[(&origin, &change)]);
        Ok(LastingReceipt { clock, origin, version })
    }
}
