//! What nodes answer, as programs read it from `--output json`: keys are stable, absent values are null. Messages are taken
//! apart member by member, so that the compiler names a new one.

pub(crate) mod drift;
pub(crate) mod guardian;

mod agreement;
mod field;
mod metrics;
mod replication;
mod state;
mod step;

pub(crate) use agreement::Agreement;
pub(crate) use field::Field;
pub(crate) use metrics::Metrics;
pub(crate) use replication::Replication;
pub(crate) use state::{LearnerState, State};
pub(crate) use step::Step;
