//! The three acts.

mod feed;
mod incident;
mod nodes;
mod telemetry;

pub(super) use incident::{AgreementResult, DRIFT_ALERT, DriftResult, apart, together};
pub(super) use telemetry::{ReturnResult, returning};
