//! What outlives the epochs of a field: specs, which decide on them, its label, names of its columns, and what epochs
//! discarded.

pub(crate) mod label;
pub(crate) mod names;
pub(crate) mod specs;
pub(crate) mod tombstones;
