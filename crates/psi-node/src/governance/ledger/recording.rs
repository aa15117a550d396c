//! What is done goes into the ledger.

use psi_ledger::{
    body,
    record::{Actor, Kind},
};
use tracing::error;

use crate::node::context::NodeContext;

impl NodeContext {
    /// Records in the ledger what was done.
    pub(crate) fn record(&self, kind: Kind, actor: Actor, action: &body::Action) {
        if !self.ledger.record_action(kind, actor, action) {
            self.metrics.ledger.record_dropped();
            if let Some(count) = self.ledger_refusals.record("dropped") {
                error!(%kind, count, "a record is missing from the ledger: too many wait for the disk");
            }
        }
    }

    /// Records what this node did by itself.
    pub(crate) fn record_own(&self, kind: Kind, action: &body::Action) {
        self.record(kind, Actor::Node(self.settings.node.clone()), action);
    }
}
