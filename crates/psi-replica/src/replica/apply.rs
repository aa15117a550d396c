//! Updates of other origins: stored, folded, and answered by the own writes that the fold demands.

use super::Replica;
use crate::{
    entry::{origin::Origin, scope::Scope},
    state::{RemoteUpdate, State},
    store::log::{Change, LogUpdate},
};

impl<S: State> Replica<S> {
    /// Takes a checked update of another origin, and folds it in.
    pub(super) fn apply(&mut self, origin: &Origin, update: LogUpdate) {
        let changes = self.store.commit(origin, update);
        self.record_moved(origin);
        self.record_registers(origin, &changes);
        let (store, local) = (&self.store, self.local.origin());
        let demands = self.state.apply(RemoteUpdate { origins: &[(origin, &changes)], store, local });
        for demand in demands {
            self.write_demand(demand);
        }
    }

    /// Takes note of what a run says of itself and of runs that end.
    pub(super) fn record_registers(&mut self, origin: &Origin, changes: &[Change]) {
        self.ends.heard.record(origin, self.moment.tick);
        if changes.iter().any(|change| change.key.scope == Scope::Cluster) {
            self.ends.registers.change(origin, changes);
            self.ends.touch();
        }
    }

    /// Keeps tokens, links and joining true after an origin's log moved.
    pub(super) fn record_moved(&mut self, origin: &Origin) {
        self.tokens.forget_others();
        let is_own = self.local.is(origin);
        for link in self.links.links_mut() {
            if is_own {
                link.record_own_moved(self.ticked);
            } else {
                link.record_moved(self.moment.tick, origin);
            }
        }
        if is_own {
            self.local.record_flush(self.ticked);
        }
        self.record_join_progress(origin);
    }
}
