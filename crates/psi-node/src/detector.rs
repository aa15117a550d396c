//! When gossip takes a silent node for dead.

use std::time::Duration;

use chitchat::FailureDetectorConfig;

/// What chitchat is told. Its own defaults take 12 to 18 s to notice that a node died soon after it started.
pub(crate) fn config(gossip_interval: Duration, dead_node_grace: Duration) -> FailureDetectorConfig {
    FailureDetectorConfig {
        phi_threshold: 8.0,
        initial_interval: gossip_interval,
        max_interval: gossip_interval * 10,
        dead_node_grace_period: dead_node_grace,
        ..FailureDetectorConfig::default()
    }
}
