//! A field folded afresh from entries, and the base that comes to the same.

use std::collections::BTreeMap;

use bytes::Bytes;
use psi_replica::{FieldName, Key, Origin};

use super::Field;
use crate::{component::Direction, components::EpochParts};

impl Field {
    /// A field of these entries alone, of any of its scopes, without an own share.
    pub(crate) fn folded(name: FieldName, entries: &[(&Origin, &Key, &Bytes)]) -> Self {
        let mut field = Self::new(name);
        for (origin, key, value) in entries {
            field.lasting.change(origin, key, value, Direction::Put);
        }
        field.settle_spec();
        field.parts = EpochParts::new(&field.shape());
        let scope = field.scope();
        for (origin, key, value) in entries.iter().filter(|(_, key, _)| key.scope == scope) {
            field.parts.change(origin, key, value, Direction::Put);
        }
        field.parts.settle();
        field
    }

    /// Writes the base that comes to the same as this field, which is of ended origins and the base before. Of epochs it
    /// has only the one whose spec holds: older ones never count again. No origin writes in one of which it has no spec.
    pub(crate) fn write_base(&self, base: &mut BTreeMap<Key, Bytes>) {
        self.lasting.write_base((&self.name, self.epoch()), base);
        if let Some(current) = self.current() {
            self.parts.write_base(&self.scope(), &current.spec.setup.parameters, base);
        }
    }
}
