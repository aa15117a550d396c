//! Services of ledgers, leases, processes and rollouts.

pub(super) mod lease;
pub(super) mod ledger;
pub(super) mod process;
pub(super) mod rollout;
