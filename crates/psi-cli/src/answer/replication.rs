//! How far a write got.

use std::fmt;

use psi_api::v1;
use serde::Serialize;

/// How far a write got.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Replication {
    /// The highest level reached, up to the one asked for.
    level: &'static str,
    nodes: u32,
    of: u32,
}

impl From<v1::ReplicationReach> for Replication {
    fn from(from: v1::ReplicationReach) -> Self {
        let level = match from.level() {
            v1::ReplicationLevel::Unspecified | v1::ReplicationLevel::Local => "local",
            v1::ReplicationLevel::One => "one",
            v1::ReplicationLevel::Majority => "majority",
            v1::ReplicationLevel::All => "all",
        };
        let v1::ReplicationReach { level: _, nodes, of } = from;
        Self { level, nodes, of }
    }
}

impl fmt::Display for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held by {} of {} known nodes: level {} is reached", self.nodes, self.of, self.level)
    }
}
