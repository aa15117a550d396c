//! What clients ask for: steps, reads, fields, interventions, members. gRPC and HTTP are two ways to the same operations.

pub(crate) mod admission;
pub(crate) mod answer;
pub(crate) mod fields;
pub(crate) mod governance;
pub(crate) mod interventions;
pub(crate) mod members;
pub(crate) mod ops;
pub(crate) mod pending;
pub(crate) mod readiness;
pub(crate) mod reads;
pub(crate) mod steps;
pub(crate) mod watchers;
