//! Models and their rollouts on this node.
//!
//! The rules are those of psi-rollout, which does no I/O. A register holds a model: a majority of voters decides each
//! change, and a voter votes only for what follows by the rules. A rollback needs no majority: it is a record in the
//! ledger of the node that wrote it, and counts wherever that is seen, unless the promotion was decided.

pub(crate) mod controller;
pub(crate) mod decide;
pub(crate) mod drift;
pub(crate) mod events;
pub(crate) mod facts;
pub(crate) mod models;
pub(crate) mod notifier;
pub(crate) mod refresh;
pub(crate) mod rollbacks;
mod webhook;
