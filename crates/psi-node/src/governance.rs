//! Who decided what, and how that is shown: ledgers, and what majorities decide.

pub(crate) mod ledger;
pub(crate) mod process;
pub(crate) mod quorum;
pub(crate) mod rollout;
