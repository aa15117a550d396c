//! What callers ask of ledgers, leases, processes and rollouts.

pub(crate) mod leases;
pub(crate) mod ledger;
pub(crate) mod processes;
mod registers;
pub(crate) mod rollouts;
pub(crate) mod turns;
