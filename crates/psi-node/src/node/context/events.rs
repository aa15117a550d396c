//! What happens to the replica, as log lines, metrics and records of the ledger.

use psi_ledger::{body, record::Kind};
use psi_replica::NodeId;
use psi_state::{Event, StateEvent};
use tracing::{debug, error, info, warn};

use super::NodeContext;

impl NodeContext {
    /// Counts and logs members that have begun to disagree, and drops the counts of nodes that are gone.
    pub(crate) fn check_agreement(&self) {
        let members = self.members.borrow().clone();
        for (node, agrees) in self.compare(&members) {
            if self.metrics.peers.record_comparison(&node, agrees) {
                self.log_divergence(&node);
            }
        }
        self.metrics.peers.keep(&members.iter().map(|member| member.node.as_str()).collect());
    }

    fn log_divergence(&self, node: &NodeId) {
        let (frontier, digest) = self.read(|replica| (replica.frontier().hash(), replica.digest()));
        let known =
            self.members.borrow().iter().find(|member| member.node == *node).and_then(|member| member.agreement);
        let peer_digest = known.map_or_else(|| "not published yet".to_owned(), |(_, digest)| digest.to_string());
        error!(
            %node, %frontier, %digest, peer_digest,
            "DIVERGED: the node has the same frontier and another digest; this is a bug, please report it"
        );
    }

    pub(super) fn record_event(&self, event: Event) {
        match event {
            Event::Ready { origin } => info!(%origin, "ready: accepts steps"),
            Event::Opened { peer } => {
                if let Some(left_out) = self.opened_lines.record() {
                    info!(%peer, left_out, "link opened");
                }
            }
            Event::Applied { peer, origin, version, entries } => {
                debug!(%peer, %origin, %version, entries, "applied a delta");
            }
            Event::Refused(refused) => {
                self.metrics.record_link_refusal(refused.refusal.reason());
                let reason = refused.refusal.reason();
                if let Some(count) = self.delta_refusals.record(reason) {
                    warn!(reason, count, "{refused}");
                }
            }
            Event::RefusedByPeer { peer, origin, reason, detail } => {
                if let Some(count) = self.delta_refusals.record(&format!("{peer} refused: {reason}")) {
                    warn!(%peer, %origin, reason, count, "peer refused a delta: {detail}");
                }
            }
            Event::State(StateEvent::StepsDropped { field, steps, asked: true }) => {
                info!(%field, steps, "the reset or drop of the field on this node discarded steps of this node");
            }
            Event::State(StateEvent::StepsDropped { field, steps, asked: false }) => {
                self.metrics.record_dropped_steps(steps);
                warn!(%field, steps, "a reset or drop of the field overtook steps of this node");
            }
            Event::Diverged { peer } => {
                if self.metrics.peers.record_comparison(&peer, false) {
                    self.log_divergence(&peer);
                }
            }
            Event::Ended { .. }
            | Event::Late { .. }
            | Event::BaseReplaced { .. }
            | Event::BaseJoined { .. }
            | Event::Reminted { .. } => {
                self.record_end(event);
            }
            Event::Superseded { by } => {
                // If it is live, the claims to the name decide which of the two stays.
                let action = format!("goes on as a later run than {by}");
                self.record_own(Kind::Supersession, &body::Action { action, ..body::Action::default() });
                warn!(%by, "another run of this node began later and has written; this one goes on as a run that is later still");
            }
            other => debug!(?other, "replica event"),
        }
    }

    /// Counts and logs what happened to runs that end.
    fn record_end(&self, event: Event) {
        match event {
            // Which nodes agree on the next one has changed, and nothing else.
            Event::Ended { checkpoint, runs, bytes_freed } if runs.is_empty() => {
                self.metrics.ends.record_end(bytes_freed);
                debug!(checkpoint, "a checkpoint that ends no run");
            }
            Event::Ended { checkpoint, runs, bytes_freed } => {
                self.metrics.ends.record_end(bytes_freed);
                let runs = names(runs.iter().map(|(run, version)| format!("{run} at version {version}")));
                info!(checkpoint, %runs, bytes_freed, "runs have ended: the base has what they wrote");
            }
            Event::Late { origin, held, ended } => {
                self.metrics.ends.record_late();
                let counted = ended.map_or_else(|| "no longer known".to_owned(), |ended| ended.to_string());
                warn!(
                    run = %origin, %held, counted,
                    "LATE: the others ended this run before they saw all that is held of it here; what it wrote \
                     beyond the version that counted is lost, on this node too"
                );
            }
            Event::BaseReplaced { checkpoint, by } => {
                self.metrics.ends.record_replaced();
                error!(
                    checkpoint,
                    by,
                    "the base held here grew apart from the other members' and gave way to theirs; runs that ended \
                     in it alone may count otherwise now"
                );
            }
            Event::BaseJoined { checkpoint, by } => info!(
                checkpoint,
                by,
                "this node's cluster and the other members' had never met; both count, and their base holds from now on"
            ),
            Event::Reminted { before } => {
                let action = format!("goes on as another run than {before}");
                self.record_own(Kind::Supersession, &body::Action { action, ..body::Action::default() });
                self.metrics.ends.record_reminted();
                info!(run_before = %before, "goes on as another run: the others have ended the one before, or may");
            }
            other => debug!(?other, "replica event"),
        }
    }
}

/// The first few of many names, for a log line.
fn names(all: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 16;
    let left = all.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = all.take(SHOWN).collect();
    if left > 0 {
        shown.push(format!("and {left} more"));
    }
    shown.join(", ")
}
