//! Links: what a replica keeps of each peer that it is connected to.

pub(crate) mod frontier_receiver;
pub(crate) mod frontier_sender;
pub(crate) mod gaps;
pub(crate) mod inbox;
pub(crate) mod link;
pub(crate) mod outbox;
pub mod overlay;
mod round_trip;
pub(crate) mod set;

/// Most origins in one frontier update, and most moves: about 400 kB where all have the longest names.
pub(crate) const ORIGINS_PER_FRAME: usize = 4_096;

/// Most origins that a peer may name on one link. A cluster that restarts a thousand nodes a hundred times has fewer.
pub(crate) const ORIGINS_MAX: usize = 131_072;

#[cfg(test)]
mod frontier_tests;
