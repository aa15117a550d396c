//! What replicas of fields do on links: merge, join, refuse, restore, and bear what hostile peers send.

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod compatibility;
mod convergence;
mod joining;
mod merge;
mod refusals;
mod session;
mod snapshots;
