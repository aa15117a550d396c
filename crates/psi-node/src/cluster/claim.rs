//! How far a run has come with the name of its node, and what gossip knows of other runs of it. Who gets the name is
//! decided in `claimants.rs`.

use std::{net::SocketAddr, time::Duration};

use psi_replica::NodeId;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use super::members::{ClaimStage, Member};

/// A peer that dials this node is let in after this, even if gossip did not get here.
const UNHEARD: Duration = Duration::from_secs(2);

/// How far a run has come with the name of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameClaim {
    /// No other node has been heard that could know of another run.
    Open,
    /// Another run answers at this gRPC address.
    Waits {
        /// Where.
        holder: SocketAddr,
    },
    /// The name is this run's.
    Held,
}

/// What the tasks of a node know of its claim.
pub(crate) struct ClaimState {
    claim: watch::Sender<NameClaim>,
    /// Other runs of this node by gossip; `None` until another node has been heard.
    runs: watch::Sender<Option<Vec<Member>>>,
    /// Whether this run gives way to another once others hold its writes.
    hands_over: watch::Sender<bool>,
    /// Gossip is to be read now.
    look: Notify,
}

impl ClaimState {
    /// A node that keeps to itself shares its name with nobody.
    pub(crate) fn new(replicates: bool) -> Self {
        let claim = if replicates { NameClaim::Open } else { NameClaim::Held };
        let (runs, hands_over) = (watch::Sender::default(), watch::Sender::default());
        Self { claim: watch::Sender::new(claim), runs, hands_over, look: Notify::new() }
    }

    pub(crate) fn now(&self) -> NameClaim {
        *self.claim.borrow()
    }

    pub(crate) fn waits(&self) -> bool {
        matches!(self.now(), NameClaim::Waits { .. })
    }

    /// Resolves once the name is this run's.
    pub(crate) async fn held(&self) {
        let mut claim = self.claim.subscribe();
        if claim.wait_for(|claim| *claim == NameClaim::Held).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether a peer that dials may be linked, once that is known.
    pub(crate) async fn admits_links(&self) -> bool {
        let mut claim = self.claim.subscribe();
        self.look.notify_one();
        let decided = timeout(UNHEARD, claim.wait_for(|claim| *claim != NameClaim::Open)).await;
        !decided.is_ok_and(|claim| claim.is_ok_and(|claim| matches!(*claim, NameClaim::Waits { .. })))
    }

    /// Resolves when somebody waits for what gossip knows.
    pub(super) async fn look_asked(&self) {
        self.look.notified().await;
    }

    /// Takes over what gossip knows of the runs of all nodes. This run has the node's name, gossips at this address, and
    /// its gossip has this generation.
    pub(super) fn record(&self, node: &NodeId, gossip: SocketAddr, generation: u64, runs: &[Member]) {
        let is_own = |run: &Member| run.node == *node && run.generation == generation;
        if runs.iter().all(is_own) && self.runs.borrow().is_none() {
            return;
        }
        let others = runs.iter().filter(|run| run.node == *node && !is_own(run) && run.gossip != gossip);
        let others: Vec<Member> = others.cloned().collect();
        self.runs.send_if_modified(|known| {
            let changed = known.as_ref().is_none_or(|known| known.iter().map(key).ne(others.iter().map(key)));
            *known = Some(others);
            changed
        });
    }

    /// Other runs of this node by gossip; `None` until another node has been heard.
    pub(super) fn runs(&self) -> watch::Receiver<Option<Vec<Member>>> {
        self.runs.subscribe()
    }

    /// The gRPC addresses of other runs that may be there, but for `own`.
    pub(crate) fn candidates(&self, own: SocketAddr) -> Vec<SocketAddr> {
        self.addresses(own, |run| !run.left)
    }

    /// Likewise, of those that gossip hears.
    pub(super) fn live_candidates(&self, own: SocketAddr) -> Vec<SocketAddr> {
        self.addresses(own, |run| run.live)
    }

    fn addresses(&self, own: SocketAddr, counts: impl Fn(&Member) -> bool) -> Vec<SocketAddr> {
        let runs = self.runs.borrow();
        let counted = runs.iter().flatten().filter(|run| counts(run));
        counted.filter_map(|run| run.grpc).filter(|address| *address != own).collect()
    }

    /// Whether this run looks for others to take over its writes. Members that know the other run of its name only do not
    /// dial this one.
    pub(crate) fn hands_over(&self) -> watch::Receiver<bool> {
        self.hands_over.subscribe()
    }

    pub(super) fn set_hands_over(&self, hands_over: bool) {
        self.hands_over.send_if_modified(|known| std::mem::replace(known, hands_over) != hands_over);
    }

    pub(super) fn set(&self, claim: NameClaim) {
        self.claim.send_replace(claim);
    }
}

/// What of a run matters to the claim.
fn key(run: &Member) -> (u64, bool, bool, bool, Option<SocketAddr>) {
    (run.generation, run.live, run.left, run.claim == ClaimStage::Waits, run.grpc)
}

/// Why a node that waits accepts no calls.
pub(crate) fn waiting_text(node: &str, holder: SocketAddr) -> String {
    format!(
        "another run of node `{node}` answers at {holder}, so this one waits until that has ended; give each node a name \
         of its own (node.id)"
    )
}
