//! What majorities decide: this node's votes, and the leases that its callers ask for.
//!
//! The rules are those of psi-quorum, which does no I/O. Here are the clock that goes on while a machine sleeps, the disk
//! that holds votes, the calls between nodes, and one task for each lease that this node's callers name.

pub(crate) mod desk;
pub(crate) mod lease_task;
pub(crate) mod links;
pub(crate) mod message;
pub(crate) mod peers;
pub(crate) mod register_voter;
pub(crate) mod registers;
pub(crate) mod value_proposer;
pub(crate) mod voters;
