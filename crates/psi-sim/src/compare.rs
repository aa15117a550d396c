//! What replicas show and write beside what the oracle expects, bit for bit: one file for each component of the oracle.
//!
//! To add one: a file in `components/` with [`Subject`] (or [`ClusterSubject`]) and [`SubjectWrites`] for the oracle's component, and
//! its `mod` line. The row in the oracle's `components.rs` does the rest.

mod components;
mod rows;
mod same;
mod steps;
mod subject;
mod words;

use psi_state::Replica;

pub(crate) use self::rows::{AnyWrite, CLIENT_WRITES, record_write};
use self::same::same;
pub use self::{
    rows::{check_own_entries, write_components},
    steps::record_step,
    subject::{AcceptedWrite, ClusterSubject, ShownField, Subject, SubjectWrites},
    words::{empty_oracle, oracle_action, oracle_clock, oracle_frontier, oracle_origin, oracle_spec},
};
use crate::oracle::ExpectedViews;

/// Holds all views of a replica that has nothing to flush against what they must be.
///
/// # Errors
/// Names the first difference.
pub fn compare(expected: &ExpectedViews, replica: &Replica) -> Result<(), String> {
    if replica.is_dirty() {
        return Err("the replica has writes to flush: its views are ahead of its frontier".to_owned());
    }
    rows::compare_cluster(&expected.cluster, replica)?;
    let names: Vec<String> = replica.field_names().map(|name| name.to_string()).collect();
    same("names of the fields", expected.fields.keys().cloned().collect(), names)?;
    for (name, expected) in replica.field_names().zip(expected.fields.values()) {
        let view = replica.view(&name).ok_or_else(|| format!("`{name}` is listed and has no view"))?;
        rows::compare_field(expected, ShownField { view: &view, replica })
            .map_err(|difference| format!("`{name}`: {difference}"))?;
    }
    Ok(())
}

/// A hash of every bit that a replica shows, and of all that it learned.
pub(crate) fn views_hash(replica: &mut Replica) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    rows::hash_cluster(replica, &mut hasher);
    for field in replica.field_names().collect::<Vec<_>>() {
        if let Some(view) = replica.view(&field) {
            rows::hash_field(ShownField { view: &view, replica }, &mut hasher);
        }
        if let Some(print) = replica.learned_fingerprint(&field) {
            hasher.update(&print.to_bytes());
        }
    }
    *hasher.finalize().as_bytes()
}
