//! Series by peer: link traffic, lag, disagreement.
//!
//! A replica counts by link, and forgets a link when it goes down. These counts are by peer, so they never fall while
//! gossip knows the peer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use prometheus::{IntCounterVec, Registry};
use psi_replica::{LinkCounts, LinkId, LinkStatus, NodeId};
use psi_state::Replica;

use super::{
    family::{Family, families},
    values::{count, seconds},
};
use crate::links::lag::{Lag, lags};

const SENT: &str = "sent";
const RECEIVED: &str = "received";

families! {
    struct PeerSeries {
        lag_versions: IntGaugeVec = "psi_replica_lag_versions" ["peer"]
            "Versions that this node wrote and the peer has not acknowledged";
        lag_seconds: GaugeVec = "psi_replica_lag_seconds" ["peer"]
            "For how long the peer has missed the oldest of them";
        bytes: IntCounterVec = "psi_replica_peer_bytes_total" ["peer", "direction"]
            "Bytes of link frames, by peer and direction";
        entries: IntCounterVec = "psi_replica_peer_entries_total" ["peer", "direction"]
            "Entries sent, and entries applied, by peer and direction";
        cut: IntCounterVec = "psi_replica_deltas_cut_total" ["peer"] "Deltas that took more than one frame";
        resent: IntCounterVec = "psi_replica_resent_total" ["peer"]
            "Deltas and frontier updates sent again because no answer came in time";
        refused: IntCounterVec = "psi_replica_deltas_refused_total" ["peer"] "Deltas of the peer that were refused";
        divergences: IntCounter = "psi_replica_divergences_total" []
            "Times that a node with the same frontier was found to have another digest: a bug";
    }
}

pub(crate) struct PeerMetrics {
    series: PeerSeries,
    seen: Mutex<SeenPeers>,
}

#[derive(Default)]
struct SeenPeers {
    /// What each link had counted when it was last looked at.
    links: BTreeMap<LinkId, LinkCounts>,
    peers: BTreeSet<String>,
    /// Nodes that disagreed when they were last compared.
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
    pub(super) fn families() -> &'static [Family] {
        PeerSeries::FAMILIES
    }

    pub(super) fn new(registry: &Registry) -> Self {
        Self { series: PeerSeries::register(registry), seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, SeenPeers> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record_sent(&self, peer: &str, bytes: usize) {
        self.series.bytes.with_label_values(&[peer, SENT]).inc_by(bytes as u64);
    }

    pub(crate) fn record_received(&self, peer: &str, bytes: usize) {
        self.series.bytes.with_label_values(&[peer, RECEIVED]).inc_by(bytes as u64);
    }

    /// Records whether a node with an equal frontier agrees, by link or by gossip. Returns whether it has begun to
    /// disagree.
    pub(crate) fn record_comparison(&self, node: &NodeId, agrees: bool) -> bool {
        let mut seen = self.seen();
        if agrees {
            seen.diverged.remove(node);
            return false;
        }
        let is_new = seen.diverged.insert(node.clone());
        self.series.divergences.inc_by(is_new.into());
        is_new
    }

    /// Adds what the links have counted. Call it before a link goes down, and before anything is shown.
    pub(crate) fn observe(&self, replica: &Replica) {
        let mut seen = self.seen();
        let mut links = BTreeMap::new();
        for (id, LinkStatus { peer, holds_own: _, lag_ms: _, clock_offset_ms: _, counts }) in replica.links() {
            let Some(peer) = peer.map(|peer| peer.node.to_string()) else { continue };
            let before = seen.links.get(&id).copied().unwrap_or_default();
            self.add(&peer, &before, &counts);
            links.insert(id, counts);
            seen.peers.insert(peer);
        }
        seen.links = links;
    }

    fn add(&self, peer: &str, before: &LinkCounts, now: &LinkCounts) {
        let LinkCounts {
            entries_sent,
            entries_received,
            deltas_sent: _,
            deltas_received: _,
            deltas_cut,
            deltas_refused,
            frames_unknown: _,
            resent,
        } = *now;
        let add = |series: &IntCounterVec, labels: &[&str], now: u64, before: u64| {
            series.with_label_values(labels).inc_by(now.saturating_sub(before));
        };
        add(&self.series.entries, &[peer, SENT], entries_sent, before.entries_sent);
        add(&self.series.entries, &[peer, RECEIVED], entries_received, before.entries_received);
        add(&self.series.cut, &[peer], deltas_cut, before.deltas_cut);
        add(&self.series.resent, &[peer], resent, before.resent);
        add(&self.series.refused, &[peer], deltas_refused, before.deltas_refused);
    }

    /// Sets the lag of each linked peer; returns how many there are.
    pub(super) fn read_lags(&self, replica: &Replica) -> usize {
        let lags = lags(replica);
        self.series.lag_versions.reset();
        self.series.lag_seconds.reset();
        // The offset of its clock is shown in one series, of this node against all.
        for (peer, Lag { versions, ms, clock_offset_ms: _ }) in &lags {
            self.series.lag_versions.with_label_values(&[peer.as_str()]).set(count(*versions));
            self.series.lag_seconds.with_label_values(&[peer.as_str()]).set(seconds(*ms));
        }
        lags.len()
    }

    /// Drops the series of peers that gossip has forgotten.
    pub(crate) fn keep(&self, known: &BTreeSet<&str>) {
        // Lags are set at each scrape, and divergences are counted for all peers together.
        let PeerSeries { lag_versions: _, lag_seconds: _, bytes, entries, cut, resent, refused, divergences: _ } =
            &self.series;
        let mut seen = self.seen();
        let gone: Vec<String> = seen.peers.iter().filter(|peer| !known.contains(peer.as_str())).cloned().collect();
        for peer in gone {
            for by_direction in [bytes, entries] {
                for direction in [SENT, RECEIVED] {
                    let _ = by_direction.remove_label_values(&[&peer, direction]);
                }
            }
            for by_peer in [cut, resent, refused] {
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
            bytes_sent: one(&self.series.bytes, &[peer, SENT]),
            bytes_received: one(&self.series.bytes, &[peer, RECEIVED]),
            entries_sent: one(&self.series.entries, &[peer, SENT]),
            entries_received: one(&self.series.entries, &[peer, RECEIVED]),
            cut: one(&self.series.cut, &[peer]),
            resent: one(&self.series.resent, &[peer]),
            refused: one(&self.series.refused, &[peer]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_divergence_is_counted_when_it_begins_not_while_it_lasts() {
        let metrics = PeerMetrics::new(&Registry::new());
        let [a, b] = ["a", "b"].map(|name| NodeId::new(name).unwrap());
        for (node, agrees, begins) in [
            (&a, true, false),
            (&a, false, true),
            (&a, false, false),
            (&b, false, true),
            (&a, true, false),
            (&a, false, true),
        ] {
            assert_eq!(metrics.record_comparison(node, agrees), begins, "{node} {agrees}");
        }
        assert_eq!(metrics.series.divergences.get(), 3);
    }

    #[test]
    fn counts_by_peer_outlive_links_and_end_with_the_peer() {
        let metrics = PeerMetrics::new(&Registry::new());
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
