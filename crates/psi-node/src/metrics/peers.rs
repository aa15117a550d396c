//! Series of the peers that this node has or had links to: what crossed, how far they lag behind, who disagrees.
//!
//! A replica counts by link, and forgets a link when it goes. Here counts are kept by peer, so that they never fall, for
//! as long as gossip knows the peer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGaugeVec};
use psi_replica::{LinkCounts, LinkId, NodeId, Replica};

use super::{count, maker::Maker};
use crate::lag::{Lag, lags};

const PEER: [&str; 1] = ["peer"];
const PEER_DIRECTION: [&str; 2] = ["peer", "direction"];
const SENT: &str = "sent";
const RECEIVED: &str = "received";

pub(crate) struct PeerMetrics {
    lag_versions: IntGaugeVec,
    lag_seconds: GaugeVec,
    bytes: IntCounterVec,
    entries: IntCounterVec,
    cut: IntCounterVec,
    resent: IntCounterVec,
    refused: IntCounterVec,
    divergences: IntCounter,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// What each link had counted when it was last looked at.
    links: BTreeMap<LinkId, LinkCounts>,
    peers: BTreeSet<String>,
    /// Nodes that were found to disagree, and have not been seen to agree since.
    diverged: BTreeSet<NodeId>,
}

/// What crossed the links to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) entries_sent: u64,
    pub(crate) entries_received: u64,
    pub(crate) cut: u64,
    pub(crate) resent: u64,
    pub(crate) refused: u64,
}

impl PeerMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        Self {
            lag_versions: make.gauges(
                "psi_replica_lag_versions",
                "Versions that this node wrote and the peer has not acknowledged",
                &PEER,
            ),
            lag_seconds: make.numbers(
                "psi_replica_lag_seconds",
                "For how long the peer has lacked the oldest of them",
                &PEER,
            ),
            bytes: make.counters(
                "psi_replica_peer_bytes_total",
                "Bytes of link frames, by peer and direction",
                &PEER_DIRECTION,
            ),
            entries: make.counters(
                "psi_replica_peer_entries_total",
                "Entries sent, and entries applied, by peer and direction",
                &PEER_DIRECTION,
            ),
            cut: make.counters("psi_replica_deltas_cut_total", "Deltas that took more than one frame", &PEER),
            resent: make.counters(
                "psi_replica_resent_total",
                "Deltas and news sent again because no answer came in time",
                &PEER,
            ),
            refused: make.counters("psi_replica_deltas_refused_total", "Deltas of the peer that were refused", &PEER),
            divergences: make.counter(
                "psi_replica_divergences_total",
                "Times that a node with the same frontier was found to have another digest: a bug",
            ),
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sent(&self, peer: &str, bytes: usize) {
        self.bytes.with_label_values(&[peer, SENT]).inc_by(bytes as u64);
    }

    pub(crate) fn received(&self, peer: &str, bytes: usize) {
        self.bytes.with_label_values(&[peer, RECEIVED]).inc_by(bytes as u64);
    }

    /// Notes whether a node agrees, found out at an equal frontier, over a link or by gossip. Tells whether it has begun
    /// to disagree.
    pub(crate) fn compared(&self, node: &NodeId, agrees: bool) -> bool {
        let mut seen = self.seen();
        if agrees {
            seen.diverged.remove(node);
            return false;
        }
        let is_new = seen.diverged.insert(node.clone());
        self.divergences.inc_by(is_new.into());
        is_new
    }

    /// Takes in what the links have counted. To be called before a link goes, and before anything is shown.
    pub(crate) fn observe(&self, replica: &Replica) {
        let mut seen = self.seen();
        let mut links = BTreeMap::new();
        for (id, status) in replica.links() {
            let Some(peer) = status.peer.map(|peer| peer.node.to_string()) else { continue };
            let before = seen.links.get(&id).copied().unwrap_or_default();
            self.add(&peer, &before, &status.counts);
            links.insert(id, status.counts);
            seen.peers.insert(peer);
        }
        seen.links = links;
    }

    fn add(&self, peer: &str, before: &LinkCounts, now: &LinkCounts) {
        let more = |count: fn(&LinkCounts) -> u64| count(now).saturating_sub(count(before));
        self.entries.with_label_values(&[peer, SENT]).inc_by(more(|counts| counts.entries_sent));
        self.entries.with_label_values(&[peer, RECEIVED]).inc_by(more(|counts| counts.entries_received));
        self.cut.with_label_values(&[peer]).inc_by(more(|counts| counts.passes_cut));
        self.resent.with_label_values(&[peer]).inc_by(more(|counts| counts.resent));
        self.refused.with_label_values(&[peer]).inc_by(more(|counts| counts.passes_refused));
    }

    /// Sets how far each linked peer lags behind; gives how many there are.
    pub(super) fn read_lags(&self, replica: &Replica) -> usize {
        let lags = lags(replica);
        self.lag_versions.reset();
        self.lag_seconds.reset();
        for (peer, Lag { versions, ms, .. }) in &lags {
            self.lag_versions.with_label_values(&[peer.as_str()]).set(count(*versions));
            #[expect(clippy::cast_precision_loss, reason = "a lag of years fits 53 bits")]
            self.lag_seconds.with_label_values(&[peer.as_str()]).set(*ms as f64 / 1000.0);
        }
        lags.len()
    }

    /// Drops the series of peers that gossip has forgotten.
    pub(crate) fn keep(&self, known: &BTreeSet<&str>) {
        let mut seen = self.seen();
        let gone: Vec<String> = seen.peers.iter().filter(|peer| !known.contains(peer.as_str())).cloned().collect();
        for peer in gone {
            for by_direction in [&self.bytes, &self.entries] {
                for direction in [SENT, RECEIVED] {
                    let _ = by_direction.remove_label_values(&[&peer, direction]);
                }
            }
            for by_peer in [&self.cut, &self.resent, &self.refused] {
                let _ = by_peer.remove_label_values(&[&peer]);
            }
            seen.peers.remove(&peer);
        }
        seen.diverged.retain(|node| known.contains(node.as_str()));
    }

    /// What crossed the links to a peer since this node started.
    pub(crate) fn traffic(&self, peer: &str) -> Traffic {
        let one = |series: &IntCounterVec, labels: &[&str]| series.with_label_values(labels).get();
        if !self.seen().peers.contains(peer) {
            return Traffic::default();
        }
        Traffic {
            bytes_sent: one(&self.bytes, &[peer, SENT]),
            bytes_received: one(&self.bytes, &[peer, RECEIVED]),
            entries_sent: one(&self.entries, &[peer, SENT]),
            entries_received: one(&self.entries, &[peer, RECEIVED]),
            cut: one(&self.cut, &[peer]),
            resent: one(&self.resent, &[peer]),
            refused: one(&self.refused, &[peer]),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    #[test]
    fn a_divergence_is_counted_when_it_begins_not_while_it_lasts() {
        let metrics = PeerMetrics::new(&Maker(&Registry::new()));
        let [a, b] = ["a", "b"].map(|name| NodeId::new(name).unwrap());
        for (node, agrees, begins) in [
            (&a, true, false),
            (&a, false, true),
            (&a, false, false),
            (&b, false, true),
            (&a, true, false),
            (&a, false, true),
        ] {
            assert_eq!(metrics.compared(node, agrees), begins, "{node} {agrees}");
        }
        assert_eq!(metrics.divergences.get(), 3);
    }

    #[test]
    fn counts_by_peer_outlive_links_and_end_with_the_peer() {
        let metrics = PeerMetrics::new(&Maker(&Registry::new()));
        let counts = |entries_sent| LinkCounts { entries_sent, ..LinkCounts::default() };
        metrics.seen().peers.insert("a".to_owned());
        metrics.add("a", &counts(0), &counts(5));
        metrics.add("a", &counts(5), &counts(7));
        // Another link begins at nothing.
        metrics.add("a", &counts(0), &counts(2));
        assert_eq!(metrics.traffic("a").entries_sent, 9);
        metrics.keep(&BTreeSet::from(["b"]));
        assert_eq!(metrics.traffic("a"), Traffic::default());
    }
}
