//! Moves the registers of processes and tasks to the voters that an operator named last, so that those before may go.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use psi_quorum::{ClientName, LeaseDuration, LeaseVerdict, Request, VoterSet};
use psi_state::{RegisterView, Replica, VoterName};
use tracing::debug;

use super::{chain::PROCESS_PREFIX, keeper::process_registers};
use crate::{
    calls::readiness::is_writable,
    governance::{
        quorum::{
            lease_task::call_lease,
            message::{LeaseCall, LeaseOutcome},
            registers::{LEASE_PREFIX, key_of, register_of},
            value_proposer::value_slot,
        },
        rollout::models::MODEL_PREFIX,
    },
    node::context::NodeContext,
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// How long one register may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// For how long a lease that nobody holds is taken.
const LEASE_MS: u64 = 1_000;
/// Who takes it.
const CLIENT: &str = "change of voters";

/// Looks for registers that other voters decide than those who were named last.
pub(crate) struct VoterChange {
    context: Arc<NodeContext>,
}

impl VoterChange {
    pub(crate) fn new(context: Arc<NodeContext>) -> Self {
        Self { context }
    }

    /// Follows what operators name, until the node stops.
    pub(crate) async fn run(self) {
        let stop = self.context.stop.clone();
        stop.run_until_cancelled(async {
            loop {
                tokio::time::sleep(LOOK).await;
                if self.context.read(is_writable) {
                    self.look().await;
                }
            }
        })
        .await;
    }

    async fn look(&self) {
        let behind = self.context.read(registers_behind);
        if behind.is_empty() || !self.has_turn(&self.context.read(Replica::voters)) {
            return;
        }
        for view in behind {
            if view.name.starts_with(LEASE_PREFIX) {
                self.move_lease(&view).await;
            } else {
                self.move_value(&view).await;
            }
        }
    }

    /// One node does it: the first live one of those that were named. None does while most of these are not live: what is
    /// moved to them could not go on.
    fn has_turn(&self, named: &[VoterName]) -> bool {
        let (own, members) = (self.context.settings.node.as_str(), self.context.members.borrow());
        let is_live =
            |name: &str| name == own || members.iter().any(|member| member.live && member.node.as_str() == name);
        let heads = self.context.read(Replica::ledger_heads);
        let is_current = |voter: &&VoterName| {
            let of_node = heads.iter().filter(|head| head.author.node.as_str() == voter.node);
            of_node.max_by_key(|head| head.author.incarnation).is_some_and(|head| head.voter_key == voter.key)
        };
        let current = named.iter().filter(is_current).map(|voter| voter.node.as_str());
        let live: Vec<_> = current.filter(|name| is_live(name)).collect();
        live.len() > named.len() / 2 && live.first() == Some(&own)
    }

    async fn move_value(&self, view: &RegisterView) {
        let slot = register_of(view).and_then(|register| value_slot(&self.context, &register));
        let Some(slot) = slot else { return };
        // A caller may have it for long.
        let Ok(mut proposer) = tokio::time::timeout(DEADLINE, slot.lock()).await else { return };
        let outcome = proposer.change_voters(&self.context, Instant::now() + DEADLINE).await;
        debug!(register = view.name, ?outcome, "a register moves to the voters that were named");
    }

    /// By taking it for a moment. One that is held moves when it is renewed.
    async fn move_lease(&self, view: &RegisterView) {
        let (Some(register), Ok(client)) = (register_of(view), ClientName::new(CLIENT)) else { return };
        let Ok(duration) = LeaseDuration::from_ms(LEASE_MS) else { return };
        let call = LeaseCall::Acquire { client: client.clone(), duration };
        let taken = call_lease(&self.context, register.clone(), call, DEADLINE).await;
        if let Some(LeaseOutcome::Verdict(LeaseVerdict::Granted(_))) = taken {
            let _ = call_lease(&self.context, register, LeaseCall::Release { client }, DEADLINE).await;
        }
    }
}

/// Registers of processes, of tasks and of their leases that others decide than the voters who were named last.
pub(crate) fn registers_behind(replica: &Replica) -> Vec<RegisterView> {
    let keys: Option<Vec<_>> = replica.voters().iter().map(|voter| key_of(&voter.key)).collect();
    let Some(wanted) = keys.and_then(|keys| VoterSet::new(keys).ok()) else { return Vec::new() };
    process_registers(replica).into_iter().filter(|view| is_behind(view, &wanted)).collect()
}

/// Whether other voters decide its next step. A process or a model of which nothing is decided stays: there is nothing to
/// repeat.
fn is_behind(view: &RegisterView, wanted: &VoterSet) -> bool {
    if view.step == 0 {
        let first = register_of(view).map(|register| register.genesis().value().voters().clone());
        let may_wait = [PROCESS_PREFIX, MODEL_PREFIX].iter().any(|prefix| view.name.starts_with(prefix));
        return !may_wait && first.is_some_and(|first| first != *wanted);
    }
    Request::decode(&view.decision).is_ok_and(|request| request.previous().value().voters() != wanted)
}
