//! What callers ask of ledgers, leases and processes.

pub(crate) mod leases;
pub(crate) mod ledger;
pub(crate) mod processes;
mod registers;
mod turns;
