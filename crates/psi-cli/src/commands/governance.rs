//! Who decided what, and how that is shown afterwards.

pub(crate) mod lease;
pub(crate) mod ledger;
pub(crate) mod plan;
pub(crate) mod process;
pub(crate) mod rollout;
