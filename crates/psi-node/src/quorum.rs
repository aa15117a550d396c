//! What majorities decide: this node's votes, and the leases that its callers ask for.
//!
//! The rules are those of psi-quorum, which does no I/O. Here are the clock that goes on while a machine sleeps, the disk
//! that holds votes, the calls between nodes, and one task for each lease that this node's callers name.

mod lease_task;
mod links;
mod voters;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use psi_quorum::{BootTime, Register, RegisterName, VoterSet};
use psi_security::node_key::NodePublicKey;
use psi_state::RegisterView;
use tokio::sync::mpsc;

pub(crate) use self::{
    lease_task::{LeaseCall, LeaseOutcome, LeaseStatus, call_lease},
    links::node_of,
    voters::answer,
};
use self::{lease_task::LeaseMessage, links::VoterLinks, voters::OwnVotes};

/// Leases and votes of a node.
#[derive(Default)]
pub(crate) struct QuorumDesk {
    votes: OwnVotes,
    links: VoterLinks,
    /// By the register that they propose in: the tasks of leases.
    leases: Mutex<BTreeMap<[u8; 32], mpsc::Sender<LeaseMessage>>>,
}

impl QuorumDesk {
    fn leases(&self) -> std::sync::MutexGuard<'_, BTreeMap<[u8; 32], mpsc::Sender<LeaseMessage>>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since the machine started, also while it slept.
pub(crate) fn boot_time() -> BootTime {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    BootTime(seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000))
}

/// A register as replicated state has it; `None` if what stands there makes none.
pub(crate) fn register_of(view: &RegisterView) -> Option<Register> {
    let keys: Option<Vec<NodePublicKey>> = view.first_voters.iter().map(|key| key_of(key)).collect();
    Some(Register::new(RegisterName::new(&view.name).ok()?, VoterSet::new(keys?).ok()?))
}

/// A key of a voter.
pub(crate) fn key_of(bytes: &[u8]) -> Option<NodePublicKey> {
    bytes.try_into().ok().map(NodePublicKey::from_bytes)
}
