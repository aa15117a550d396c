//! What only tests need; behind a feature that no release has.

use bytes::Bytes;
use psi_replica::{Digest, FieldName, Key, Lane, Now, Origin, Scope, Version};

use crate::{
    components::{self, FieldView},
    field::Field,
    replica::Replica,
    state::fold_ended,
    writes::error::WriteError,
};

impl Replica {
    /// [`Replica::view`] refolded from the entries that are held: the same if nothing waits for a flush.
    #[must_use]
    pub fn view_from_entries(&self, field: &FieldName) -> Option<FieldView> {
        self.refolded(field).view()
    }

    /// [`Replica::learned_fingerprint`], refolded from the entries that are held.
    #[must_use]
    pub fn learned_fingerprint_from_entries(&self, field: &FieldName) -> Option<Digest> {
        self.refolded(field).learned_fingerprint()
    }

    fn refolded(&self, field: &FieldName) -> Field {
        self.state().refolded(field, self.store())
    }

    /// A view, and a hash of what was learned, refolded as if some origins had ended: the same as without that.
    #[must_use]
    pub fn shown_with_ended(
        &self,
        field: &FieldName,
        has_ended: impl Fn(&Origin) -> bool,
    ) -> (Option<FieldView>, Option<Digest>) {
        let (mut logs, mut before) = (Vec::new(), Vec::new());
        for (origin, log) in self.store().logs() {
            let of_field = log.in_scope(Scope::Field(field.clone())).chain(log.in_epochs(field));
            if *origin == Origin::base() {
                before.extend(of_field);
            } else {
                logs.push((origin, of_field.collect::<Vec<_>>()));
            }
        }
        let (ended, live): (Vec<_>, Vec<_>) = logs.into_iter().partition(|(origin, _)| has_ended(origin));
        let (of_base, base) = (Origin::base(), fold_ended(before, &ended));
        let mut entries: Vec<_> = base.iter().map(|(key, value)| (&of_base, key, value)).collect();
        for (origin, log) in &live {
            entries.extend(log.iter().map(|(key, value)| (*origin, *key, *value)));
        }
        let mut folded = Field::folded(field.clone(), &entries);
        (folded.view(), folded.learned_fingerprint())
    }

    /// Writes an entry of a lane that this version does not know, as a node of a later one would.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn write_unknown(
        &mut self,
        now: Now,
        field: &FieldName,
        lane: Lane,
        index: u64,
        value: Bytes,
    ) -> Result<Version, WriteError> {
        let too_much = value.len() > psi_replica::VALUE_BYTES_MAX;
        debug_assert!(!components::is_known(lane) && !too_much, "{lane:?} is known, or too much");
        let (state, mut writer) = self.begin_write(now)?;
        let scope = state.existing(field)?.scope();
        writer.put(Key { scope, lane, index }, value);
        Ok(writer.version())
    }
}
