//! The ledger and processes over HTTP.

pub(super) mod ledger;
pub(super) mod processes;
