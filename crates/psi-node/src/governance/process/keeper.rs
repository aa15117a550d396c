//! Keeps what was decided: its transitions and specs on this disk, too, and no evidence of what has ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use psi_process::{ChainState, DecidedChain, TransitionHash};
use psi_state::{RegisterView, Replica};
use tracing::{debug, info};

use super::{
    chain::{PROCESS_PREFIX, announced_chain, subject_of},
    documents,
    emergency::EMERGENCY_REGISTER,
};
use crate::{
    calls::readiness::is_writable,
    governance::ledger::store::{LedgerStore, StoreError, blocking, processes::StoredRegister},
    node::context::NodeContext,
};

/// Between two looks at registers that changed.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two looks where something could not be had.
const RETRY: Duration = Duration::from_secs(5);

/// Follows the registers of processes until the node stops.
pub(crate) struct ProcessKeeper {
    context: Arc<NodeContext>,
    /// By register: the step of which all is kept, and its transition.
    kept: BTreeMap<String, (u64, Option<TransitionHash>)>,
    /// Registers without evidence: what they are about has ended.
    cleaned: BTreeSet<String>,
}

impl ProcessKeeper {
    pub(crate) fn new(context: Arc<NodeContext>) -> Self {
        Self { context, kept: BTreeMap::new(), cleaned: BTreeSet::new() }
    }

    /// Follows them.
    pub(crate) async fn run(mut self) {
        let stop = self.context.stop.clone();
        stop.run_until_cancelled(async {
            while !self.context.read(is_writable) || self.restore().await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
            let mut changes = self.context.changes();
            loop {
                changes.mark_unchanged();
                if self.look().await {
                    tokio::time::sleep(PAUSE).await;
                    if changes.changed().await.is_err() {
                        return;
                    }
                } else {
                    tokio::time::sleep(RETRY).await;
                }
            }
        })
        .await;
    }

    /// Shows what this disk knows to a cluster that forgot it, as after a crash of all nodes.
    async fn restore(&self) -> Result<(), StoreError> {
        let stored = blocking(&self.context.ledger.store, LedgerStore::process_registers).await?;
        for (name, StoredRegister { first_voters, step, decision }) in stored {
            let voters = first_voters.into_iter().map(Bytes::from).collect();
            let shown = self.context.write(|replica, now| {
                let view = replica.register(now, &name, voters)?;
                if view.step < step {
                    replica.show_decision(now, &name, step, decision.into())?;
                }
                Ok::<_, psi_state::WriteError>(())
            });
            if let Err(error) = shown {
                debug!(register = name, "what is known of a process is not shown: {error}");
            }
        }
        Ok(())
    }

    /// Looks at registers with new steps. Returns whether all that belongs to them is here.
    async fn look(&mut self) -> bool {
        let views = self.context.read(process_registers);
        let mut is_complete = true;
        for view in views {
            if self.kept.get(&view.name).is_some_and(|(step, _)| *step >= view.step) {
                continue;
            }
            match self.keep(&view).await {
                Ok(true) => {
                    let head = chain_in(&view).and_then(|chain| Some(chain.state()?.head));
                    self.kept.insert(view.name, (view.step, head));
                }
                Ok(false) => is_complete = false,
                Err(error) => {
                    debug!(register = view.name, "a step of a process is not kept yet: {error}");
                    is_complete = false;
                }
            }
        }
        is_complete
    }

    /// Keeps a register, and what its latest step rests on. Returns whether all of it was to be had.
    async fn keep(&mut self, view: &RegisterView) -> Result<bool, StoreError> {
        let RegisterView { name, first_voters, step, decision } = view.clone();
        let first_voters = first_voters.into_iter().map(Into::into).collect();
        let stored = StoredRegister { first_voters, step, decision: decision.to_vec() };
        let register = name.clone();
        blocking(&self.context.ledger.store, move |store| store.put_process_register(&register, &stored)).await?;
        let chain = chain_in(view);
        let Some(state) = chain.as_ref().and_then(DecidedChain::state) else { return Ok(true) };
        if state.end.is_some() && !self.cleaned.contains(&name) {
            let register = name.clone();
            let removed = blocking(&self.context.ledger.store, move |store| store.remove_evidence(&register)).await?;
            self.cleaned.insert(name.clone());
            info!(subject = %state.subject, removed, "a task has ended, and its evidence is removed");
        }
        let known = self.kept.get(&name).and_then(|(_, head)| *head);
        Ok(self.has_history(state, known).await)
    }

    /// Whether every transition after the one that is known, and its spec, is here, or was to be had from others.
    async fn has_history(&self, state: &ChainState, known: Option<TransitionHash>) -> bool {
        let (mut next, mut specs) = (Some(state.head), BTreeSet::from([state.spec]));
        while let Some(hash) = next.filter(|hash| Some(*hash) != known) {
            let Some(placed) = documents::transition(&self.context, hash, None).await else { return false };
            specs.insert(placed.transition.spec);
            next = placed.transition.predecessor;
        }
        for spec in specs {
            if documents::spec(&self.context, spec, None).await.is_none() {
                return false;
            }
        }
        true
    }
}

/// Where what the register is about stands; `None` if that is no process or task, or can't be read.
fn chain_in(view: &RegisterView) -> Option<DecidedChain> {
    announced_chain(&subject_of(&view.name)?, &view.decision).ok()
}

/// Registers of processes and tasks, and that of the emergency switch, in which anything was decided.
fn process_registers(replica: &Replica) -> Vec<RegisterView> {
    let views = replica.registers_below(PROCESS_PREFIX).into_iter().chain(replica.register_view(EMERGENCY_REGISTER));
    views.filter(|view| view.step > 0).collect()
}
