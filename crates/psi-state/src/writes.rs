//! Local writes, one file a subject. Each takes one version, whole or not at all.

mod baselines;
mod batch;
mod epochs;
pub(crate) mod error;
mod fields;
mod interventions;
mod lasting;
mod ledger;
mod registers;
mod steps;
mod versions;

pub use baselines::BaselineRequest;
pub use batch::Batch;
pub use interventions::Intervention;
pub use steps::Step;
