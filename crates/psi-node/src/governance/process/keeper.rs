//! Keeps what was decided: its transitions and specs on this disk, too, and no evidence of what has ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use psi_process::{ChainState, DecidedChain, Subject, TransitionHash};
use psi_replica::Clock;
use psi_state::{RegisterView, Replica};
use tracing::{debug, info};

use super::{
    chain::{BUCKET_PREFIX, PROCESS_PREFIX, announced_body, path_of},
    documents,
    emergency::EMERGENCY_REGISTER,
};
use crate::{
    calls::readiness::is_writable,
    governance::{
        ledger::store::{LedgerStore, StoreError, blocking, processes::StoredRegister},
        quorum::registers::LEASE_PREFIX,
        rollout::models::MODEL_PREFIX,
    },
    node::context::NodeContext,
};

/// Between two looks at registers that changed.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two looks where something could not be had.
const RETRY: Duration = Duration::from_secs(5);

/// Of what a register says something: when it began, and its newest transition.
type Heads = BTreeMap<Subject, (Clock, TransitionHash)>;

/// Follows the registers of processes until the node stops.
pub(crate) struct ProcessKeeper {
    context: Arc<NodeContext>,
    /// By register: the step of which all is kept, and where it led.
    kept: BTreeMap<String, (u64, Heads)>,
}

impl ProcessKeeper {
    pub(crate) fn new(context: Arc<NodeContext>) -> Self {
        Self { context, kept: BTreeMap::new() }
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
                    let heads = heads_in(&view.name, &view.decision);
                    self.kept.insert(view.name, (view.step, heads));
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

    /// Keeps a register, and what its latest step rests on; removes what it no longer names. Returns whether all of it was
    /// to be had.
    async fn keep(&mut self, view: &RegisterView) -> Result<bool, StoreError> {
        let RegisterView { name, first_voters, step, decision } = view.clone();
        let first_voters = first_voters.into_iter().map(Into::into).collect();
        let body = announced_body(&name, &decision).ok();
        if body.is_some() {
            self.remove_gone(&name, (step, &heads_in(&name, &decision))).await?;
        }
        let stored = StoredRegister { first_voters, step, decision: decision.to_vec() };
        let register = name.clone();
        blocking(&self.context.ledger.store, move |store| store.put_process_register(&register, &stored)).await?;
        let mut is_complete = true;
        for state in body.iter().flat_map(|body| body.chains(0)).filter_map(DecidedChain::state) {
            let known = self.kept.get(&name).and_then(|(_, heads)| heads.get(&state.subject));
            let known = known.filter(|(begun, _)| *begun == state.begun).map(|(_, head)| *head);
            if known == Some(state.head) {
                continue;
            }
            if state.end.is_some() && state.subject.task.is_some() {
                self.remove_evidence(&state.subject).await?;
            }
            is_complete &= self.has_history(state, known).await;
        }
        Ok(is_complete)
    }

    /// Removes what this disk holds of tasks that their register, as it was kept before, had and has no longer: their time
    /// is over.
    async fn remove_gone(&self, register: &str, (step, now): (u64, &Heads)) -> Result<(), StoreError> {
        let name = register.to_owned();
        let before = blocking(&self.context.ledger.store, move |store| store.process_register(&name)).await?;
        let before = before.filter(|stored| stored.step < step);
        let before = before.map(|stored| heads_in(register, &stored.decision)).unwrap_or_default();
        for (subject, (begun, head)) in before {
            match now.get(&subject) {
                Some((still, _)) if *still == begun => continue,
                // Its name is that of another task by now, which has evidence of its own.
                Some(_) => {}
                None => self.remove_evidence(&subject).await?,
            }
            let transitions = documents::own_history(&self.context, head).await;
            let removed = transitions.len();
            blocking(&self.context.ledger.store, move |store| store.remove_blobs(&transitions)).await?;
            debug!(%subject, removed, "a task ended long ago, and its steps are removed; the ledger has them");
        }
        Ok(())
    }

    async fn remove_evidence(&self, subject: &Subject) -> Result<(), StoreError> {
        let path = path_of(subject);
        let removed = blocking(&self.context.ledger.store, move |store| store.remove_evidence(&path)).await?;
        if removed > 0 {
            info!(%subject, removed, "a task has ended, and its evidence is removed");
        }
        Ok(())
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

/// All that a decision says something of, with the newest transitions.
fn heads_in(register: &str, decision: &[u8]) -> Heads {
    let body = announced_body(register, decision).ok();
    let chains = body.iter().flat_map(|body| body.chains(0));
    chains.filter_map(|chain| Some((chain.subject().clone(), (chain.state()?.begun, chain.state()?.head)))).collect()
}

/// Registers of processes and tasks, of their leases and of models, and that of the emergency switch.
pub(super) fn process_registers(replica: &Replica) -> Vec<RegisterView> {
    let leases = format!("{LEASE_PREFIX}{PROCESS_PREFIX}");
    let prefixes = [PROCESS_PREFIX, BUCKET_PREFIX, MODEL_PREFIX, &leases];
    let views = prefixes.into_iter().flat_map(|prefix| replica.registers_below(prefix));
    views.chain(replica.register_view(EMERGENCY_REGISTER)).collect()
}
