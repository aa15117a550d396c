//! What replicas make of fields: steps, interventions, epochs, what is learned.

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod epochs;
mod folding;
mod guardian;
mod learning;
mod outdated;
mod placement;
mod writes;
