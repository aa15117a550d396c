//! The ledger, processes and rollouts over HTTP.

pub(super) mod ledger;
pub(super) mod processes;
pub(super) mod rollouts;
