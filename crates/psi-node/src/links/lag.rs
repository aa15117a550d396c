//! The lag of peers behind this node's own writes, by their acknowledgements.

use std::collections::BTreeMap;

use psi_replica::{LinkStatus, NodeId, Version};
use psi_state::Replica;

/// How far one linked peer is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lag {
    /// Own versions that it is not known to hold.
    pub(crate) versions: u64,
    /// How long the oldest of them has been flushed, milliseconds.
    pub(crate) ms: u64,
    /// Its wall clock minus ours, milliseconds.
    pub(crate) clock_offset_ms: Option<i64>,
}

/// The lag of every linked peer. Where several links lead to one peer, the smallest lag counts.
pub(crate) fn lags(replica: &Replica) -> BTreeMap<NodeId, Lag> {
    let written = replica.origin().map_or(Version::ZERO, |own| replica.frontier().version(own));
    let mut lags = BTreeMap::new();
    // What has crossed is counted by peer.
    for (_, LinkStatus { peer, holds_own, lag_ms, clock_offset_ms, counts: _ }) in replica.links() {
        let lag = Lag { versions: written.0.saturating_sub(holds_own.0), ms: lag_ms, clock_offset_ms };
        if let Some(peer) = peer {
            lags.entry(peer.node).and_modify(|least: &mut Lag| *least = lag.min(*least)).or_insert(lag);
        }
    }
    lags
}
