//! Open links.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use psi_replica::{LinkId, NodeId};
use tokio_util::sync::CancellationToken;

use crate::node::log_limit::CauseLimit;

/// A link that a newer one to the same node has replaced, while that had no incarnation, is closed after this.
const REPLACED: Duration = Duration::from_secs(5);
/// One run of a peer, as it introduces itself: its name, and its incarnation, 0 while it has none.
type PeerRun = (NodeId, u64);

/// Open links, by peer and run: a newer one replaces an older. Two live runs of one node keep a link each; otherwise
/// the later would cut off the earlier before that has handed over its last writes.
#[derive(Debug, Default)]
pub(crate) struct Links {
    open: Mutex<BTreeMap<PeerRun, (LinkId, CancellationToken)>>,
    /// How often links were refused, by reason.
    pub(super) refusals: CauseLimit,
}

impl Links {
    pub(super) fn put(&self, peer: PeerRun, link: LinkId, stop: CancellationToken) {
        let known = peer.1 != 0;
        let mut links = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((earlier, stop_earlier)) = links.insert(peer, (link, stop)) else { return };
        if known && earlier != link {
            stop_earlier.cancel();
        } else if earlier != link {
            // The two may belong to two runs: the earlier hands over its last writes, and then ends by itself.
            tokio::spawn(async move {
                tokio::time::sleep(REPLACED).await;
                stop_earlier.cancel();
            });
        }
    }

    /// The peer of a link goes on as another run. Of two links to that run, the newer stays.
    pub(super) fn follow(&self, peer: PeerRun, link: LinkId, stop: CancellationToken) {
        let mut links = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, (held, _)| *held != link);
        match links.get(&peer) {
            Some((newer, _)) if *newer > link => stop.cancel(),
            _ => {
                if let Some((_, stop_earlier)) = links.insert(peer, (link, stop)) {
                    stop_earlier.cancel();
                }
            }
        }
    }

    pub(super) fn remove(&self, link: LinkId) {
        let mut links = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, (held, _)| *held != link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_newer_link_replaces_that_of_the_same_run_only() {
        let (links, node) = (Links::default(), NodeId::new("n").expect("a name"));
        let stops: [CancellationToken; 5] = Default::default();
        for (id, (incarnation, stop)) in (0..).zip([7, 8, 7, 0, 0].into_iter().zip(&stops)) {
            links.put((node.clone(), incarnation), LinkId(id), stop.clone());
        }
        let stopped = || stops.each_ref().map(CancellationToken::is_cancelled);
        assert_eq!(stopped(), [true, false, false, false, false]);
        // Whether two without an incarnation are of one run is not known: they may be of a run that hands over.
        tokio::time::sleep(REPLACED * 2).await;
        assert_eq!(stopped(), [true, false, false, true, false]);
    }

    #[test]
    fn a_link_follows_its_peer_into_another_run_unless_a_newer_link_is_there() {
        let (links, node) = (Links::default(), NodeId::new("n").expect("a name"));
        let stops: [CancellationToken; 3] = Default::default();
        let run = |incarnation| (node.clone(), incarnation);
        links.put(run(7), LinkId(0), stops[0].clone());
        links.follow(run(8), LinkId(0), stops[0].clone());
        links.put(run(8), LinkId(1), stops[1].clone());
        let stopped = || stops.each_ref().map(CancellationToken::is_cancelled);
        assert_eq!(stopped(), [true, false, false], "a newer link replaces that of the run");
        links.put(run(9), LinkId(2), stops[2].clone());
        links.follow(run(9), LinkId(1), stops[1].clone());
        assert_eq!(stopped(), [true, true, false], "the older of two gives way");
    }
}
