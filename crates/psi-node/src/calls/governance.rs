//! Reading the ledger, and asking for leases.

pub(crate) mod leases;
pub(crate) mod ledger;
