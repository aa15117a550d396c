//! What records say, by their kinds. The bodies of kinds that later versions have mean nothing here.

mod action;
mod checkpoint;
mod key_change;
mod run_start;

pub use action::Action;
pub use checkpoint::{CheckpointRefusal, ClusterCheckpoint, CoveredHead, Growth, NamedRecord};
pub use key_change::KeyChange;
pub use run_start::{NamedHead, RunStart};

use crate::{log_name::LogNameError, tree::SizeError};

/// Why the bytes are no such body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyRefusal {
    /// Not the encoding of it, or another than the one it has.
    #[error("the bytes are no {0}, or are not written as this version writes it; take another copy")]
    Malformed(&'static str),
    /// A name of a ledger is none.
    #[error(transparent)]
    Log(#[from] LogNameError),
    /// A head covers no records, or too many.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// The old key did not sign it.
    #[error("the change to key {new_key} is not signed by the old key {old_key}: another wrote it")]
    Forged {
        /// Hex digits.
        old_key: String,
        /// Hex digits.
        new_key: String,
    },
    /// It is in the ledger of another run.
    #[error("it is of {named}, and stands in the ledger {log}: it was taken from there")]
    OtherLog {
        /// The ledger that it names.
        named: String,
        /// The ledger that it is in.
        log: String,
    },
}
