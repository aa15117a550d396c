//! The ledger, processes, rollouts and plans over HTTP.

pub(super) mod ledger;
pub(super) mod plans;
pub(super) mod processes;
pub(super) mod rollouts;
