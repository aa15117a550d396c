//! What a node keeps of votes and leases while it runs.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use psi_api::v1::quorum_service_client::QuorumServiceClient;
use psi_quorum::{Proposer, Register};
use psi_replica::NodeId;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tonic::transport::Channel;

use super::{message::LeaseMessage, register_voter::RegisterVoter};

/// The place of the voter of one register. Only the holder of its lock votes.
pub(crate) type VoteSlot = Arc<AsyncMutex<Option<RegisterVoter>>>;

/// The proposer of one register that holds no lease, for all callers of this node. A run has one, which lives as long.
pub(crate) type ValueSlot = Arc<AsyncMutex<ValueProposer>>;

/// A proposer, and what it showed to the others.
pub(crate) struct ValueProposer {
    pub(super) proposer: Proposer,
    pub(super) register: Register,
    /// Of the last decision that state was shown.
    pub(super) shown: u64,
}

/// Where voters were reached.
type Clients = BTreeMap<NodeId, (SocketAddr, QuorumServiceClient<Channel>)>;

/// By the id of the register: the tasks of leases.
type LeaseTasks = BTreeMap<[u8; 32], mpsc::Sender<LeaseMessage>>;

/// Votes and leases of a node.
#[derive(Default)]
pub(crate) struct QuorumDesk {
    votes: Mutex<BTreeMap<[u8; 32], VoteSlot>>,
    clients: Mutex<Clients>,
    leases: Mutex<LeaseTasks>,
    /// By the id of the register: proposers of what holds no lease.
    values: Mutex<BTreeMap<[u8; 32], ValueSlot>>,
}

impl QuorumDesk {
    /// The place of the voter of a register.
    pub(super) fn vote_slot(&self, register: [u8; 32]) -> VoteSlot {
        self.votes.lock().unwrap_or_else(PoisonError::into_inner).entry(register).or_default().clone()
    }

    pub(super) fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn values(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], ValueSlot>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn leases(&self) -> MutexGuard<'_, LeaseTasks> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
