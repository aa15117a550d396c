//! What replicas make of fields: steps, interventions, epochs, what is learned.

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod drift;
mod epochs;
mod folding;
mod guardian;
mod learning;
mod names;
mod novelty;
mod outdated;
mod placement;
mod writes;
