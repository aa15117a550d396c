//! Steps that resets and drops have discarded.

use crate::compare::{
    same::same,
    subject::{ShownField, Subject, SubjectWrites},
};
use crate::oracle::components::tombstones::Tombstones;

impl Subject for Tombstones {
    fn compare(expected: &u64, shown: ShownField<'_>) -> Result<(), String> {
        same("steps dropped", *expected, shown.view.steps_dropped)
    }

    fn hash(shown: ShownField<'_>, hasher: &mut blake3::Hasher) {
        hasher.update(&shown.view.steps_dropped.to_le_bytes());
    }
}

impl SubjectWrites for Tombstones {}
