//! What the base keeps of ended origins.
//!
//! The base is kept as if one more origin had written it: its entries are folded like those of any other. Here the fold
//! of ended origins is written down as such entries. Each component says in its file what it keeps and how. When they
//! are folded as the base's, every view is the same as before, and stays so whatever live origins write.
//!
//! Lanes that this build does not know can't be folded; their entries end with their origin.

use std::collections::BTreeMap;

use bytes::Bytes;
use psi_replica::{FieldName, Key, Origin};

use crate::{component::Direction, components::ClusterParts, field::Field};

/// An entry and whose it is.
pub(crate) type OwnedEntry<'a> = (&'a Origin, &'a Key, &'a Bytes);

/// The base's new entries: what its entries so far and those of some ended origins come to.
///
/// A function of its arguments. Neither the order of the origins nor whether they end together matters.
pub(crate) fn fold_ended<'a>(
    base: impl IntoIterator<Item = (&'a Key, &'a Bytes)>,
    ended: &[(&'a Origin, Vec<(&'a Key, &'a Bytes)>)],
) -> BTreeMap<Key, Bytes> {
    let of_base = Origin::base();
    let base = base.into_iter().map(|(key, value)| (&of_base, key, value));
    let ended = ended.iter().flat_map(|(origin, entries)| entries.iter().map(|(key, value)| (*origin, *key, *value)));
    let mut cluster = ClusterParts::default();
    let mut fields: BTreeMap<&FieldName, Vec<OwnedEntry<'_>>> = BTreeMap::new();
    for (origin, key, value) in base.chain(ended) {
        match key.scope.field() {
            Some(field) => fields.entry(field).or_default().push((origin, key, value)),
            None => cluster.change(origin, key, value, Direction::Put),
        }
    }
    let mut entries = BTreeMap::new();
    cluster.write_base(&mut entries);
    for (name, of_field) in fields {
        // Most fields have nothing of the origins that end: what the base has of them stands.
        if of_field.iter().all(|(origin, ..)| **origin == of_base) {
            entries.extend(of_field.into_iter().map(|(_, key, value)| (key.clone(), value.clone())));
        } else {
            Field::folded(name.clone(), &of_field).write_base(&mut entries);
        }
    }
    entries
}
