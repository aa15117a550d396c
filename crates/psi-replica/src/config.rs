//! What a replica is configured with.

#[cfg(feature = "testing")]
use bytes::Bytes;

use crate::{
    delta::FRAME_BYTES_MAX,
    entry::name::{ClusterName, NodeId},
};

/// What a replica is configured with when it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cluster that it belongs to.
    pub cluster: ClusterName,
    /// Its name.
    pub node: NodeId,
    /// Whether it may start a cluster: it becomes ready though it met nobody, once `join_ms` have passed.
    pub is_seed: bool,
    /// How long a seed waits for a member to show itself.
    pub join_ms: u64,
    /// Below 1,000: what the incarnation has beside the milliseconds of the clock. Chosen afresh for each run, so that two
    /// runs of one node that start in the same millisecond do not take each other's name.
    pub microsecond: u16,
    /// How long a silent run is waited for until the others may end it, milliseconds. The
    /// names of ended runs are kept for seven times as long. 0: this replica agrees to no end, so none of those that know
    /// it ends anything.
    pub end_after_ms: u64,
    /// Most bytes of a delta that is being received, and of all that are on one link.
    pub delta_bytes_max: usize,
    /// Most bytes of entries in a frame.
    pub frame_bytes: usize,
    /// What the node writes as one of a later version; for tests of clusters of mixed versions.
    #[cfg(feature = "testing")]
    pub extension: Option<Extension>,
}

impl Config {
    /// The defaults, for a node of the given name.
    #[must_use]
    pub fn new(cluster: ClusterName, node: NodeId) -> Self {
        Self {
            cluster,
            node,
            is_seed: true,
            join_ms: 2_000,
            microsecond: 0,
            end_after_ms: 24 * 60 * 60 * 1000,
            delta_bytes_max: 1 << 30,
            frame_bytes: FRAME_BYTES_MAX,
            #[cfg(feature = "testing")]
            extension: None,
        }
    }
}

/// What a node of a later protocol version has that this one lacks.
#[cfg(feature = "testing")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extension {
    /// The greatest protocol version that it speaks; the least is [`crate::PROTOCOL`].
    pub protocol_max: u32,
    /// Bytes of message fields that this version does not know, appended to every value that it writes.
    pub value_fields: Bytes,
}
