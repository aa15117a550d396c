//! When a silent node counts as dead.
//!
//! chitchat's detector divides a node's silence by the mean time between signs of life of it, first-hand or not (phi,
//! after Hayashibara et al., 2004), and takes the node for dead above a threshold. Loss makes signs rarer, and so the
//! detector more patient. `cargo test -p psi-node --lib -- --ignored --nocapture table_of` prints what each threshold
//! costs and buys.

use std::time::Duration;

use chitchat::FailureDetectorConfig;

/// The configuration of chitchat. Its own defaults take 12 to 18 s to notice that a node died soon after it started:
/// before there is a history, silence is compared with `initial_interval`.
pub(crate) fn config(
    gossip_interval: Duration,
    phi_threshold: u32,
    dead_node_grace: Duration,
) -> FailureDetectorConfig {
    FailureDetectorConfig {
        phi_threshold: phi_threshold.into(),
        initial_interval: gossip_interval,
        // Longer silences are outages, not a measure of how often messages of a node arrive.
        max_interval: gossip_interval * 10,
        dead_node_grace_period: dead_node_grace,
        // Kept for each run that gossip remembers, dead ones included, 8 bytes each: the default takes 8 kB a restart.
        sampling_window_size: 100,
    }
}

#[cfg(test)]
mod tests;
