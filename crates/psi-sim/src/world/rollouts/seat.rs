//! What a node keeps of models: its process while it runs, and its disk for longer.

use std::collections::{BTreeMap, VecDeque};

use psi_quorum::{Decision, PendingResponse, Proposer, ProposerId, Record, RecordError, Register, RetryPolicy, Voter};
use psi_replica::Origin;
use psi_rollout::{Model, Rollbacks, RolloutId};
use psi_security::node_key::NodePublicKey;

use super::wish::Wish;

/// A model as a node knows it.
#[derive(Clone, Debug)]
pub(crate) struct KnownModel {
    /// The step of its register.
    pub(crate) step: u64,
    /// As many rollbacks had been seen.
    pub(super) rollbacks: u64,
    /// As voters decided it.
    pub(crate) decided: Model,
    /// As it counts: rolled back where somebody wrote that.
    pub(crate) model: Model,
}

/// A vote that waits for the disk, and who asked for it.
#[derive(Debug)]
pub(super) struct PendingVote {
    pub(super) reply_to: usize,
    pub(super) response: PendingResponse,
}

/// What a node wants decided, and until when it tries.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) wish: Wish,
    pub(super) at_ms: u64,
    pub(super) until: u64,
}

/// Voter and proposer of the model's register.
#[derive(Debug)]
pub(crate) struct RegisterRole {
    pub(super) voter: Voter,
    pub(super) proposer: Proposer,
    pub(super) pending: VecDeque<PendingVote>,
    pub(super) attempt: Option<Attempt>,
    /// What waits for that to end.
    pub(super) waiting: VecDeque<Attempt>,
    /// Of the last decision that state was shown.
    pub(super) shown: u64,
    /// When the proposer is to be woken.
    pub(super) wake_at: Option<u64>,
    /// The last steps of voter and proposer that were looked at.
    pub(super) observed: (u64, u64),
}

/// A node's part in all that is about models.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) key: NodePublicKey,
    /// The number of the run, which is no other's.
    run: u64,
    /// Once the register is known.
    pub(super) role: Option<RegisterRole>,
    pub(super) rollbacks: Rollbacks,
    /// Up to which state of the ledgers those were taken over.
    pub(super) generation: Option<u64>,
    pub(crate) known: Option<KnownModel>,
    /// Since when something would have to follow.
    pub(super) due: BTreeMap<RolloutId, u64>,
    /// When a rollback was written.
    pub(super) written: BTreeMap<RolloutId, u64>,
    /// Whose ledger, and how many records it has.
    pub(super) ledger: (Option<Origin>, u64),
    /// When others were heard last, by the clock that records carry and by the virtual one.
    pub(crate) heard: BTreeMap<String, (u64, u64)>,
}

impl Seat {
    pub(super) fn new(key: NodePublicKey, run: u64) -> Self {
        Self {
            key,
            run,
            role: None,
            rollbacks: Rollbacks::default(),
            generation: None,
            known: None,
            due: BTreeMap::new(),
            written: BTreeMap::new(),
            ledger: (None, 0),
            heard: BTreeMap::new(),
        }
    }

    /// Takes part in a register, with the record that the disk has.
    pub(super) fn join(&mut self, register: &Register, record: Option<Record>) -> Result<(), RecordError> {
        let voter = match record {
            Some(record) => Voter::restore(self.key, register, record)?,
            None => Voter::new(self.key, register),
        };
        let id = ProposerId { key: self.key, run: self.run };
        self.role = Some(RegisterRole {
            voter,
            proposer: Proposer::new(id, register.clone(), RetryPolicy::default()),
            pending: VecDeque::new(),
            attempt: None,
            waiting: VecDeque::new(),
            shown: 0,
            wake_at: None,
            observed: (0, 0),
        });
        Ok(())
    }

    /// Whether it has something decided that follows by itself, or waits to.
    pub(super) fn is_stepping(&self) -> bool {
        let mut attempts = self.role.iter().flat_map(|role| role.attempt.iter().chain(&role.waiting));
        attempts.any(|attempt| matches!(attempt.wish, Wish::Step { .. }))
    }
}

impl RegisterRole {
    /// What voter and proposer take for decided since that was asked last.
    pub(super) fn new_decisions(&mut self) -> Vec<Decision> {
        let (proposed, voted) = (self.proposer.last(), self.voter.last());
        let before = std::mem::replace(&mut self.observed, (proposed.step().0, voted.step().0));
        let moved = [(proposed, before.0), (voted, before.1)].into_iter();
        moved.filter(|(decision, step)| decision.step().0 > *step).map(|(decision, _)| decision.clone()).collect()
    }
}

/// Key and votes are kept or lost together.
#[derive(Clone, Debug)]
pub(crate) struct VoteStore {
    pub(crate) key: NodePublicKey,
    /// The register of the model, once it is known here.
    pub(super) register: Option<Register>,
    pub(super) record: Option<Record>,
}

impl VoteStore {
    /// An empty store, with a key that no store had before.
    pub(super) fn new(machine: usize, run: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(machine as u64).to_be_bytes());
        bytes[8..16].copy_from_slice(&run.to_be_bytes());
        Self { key: NodePublicKey::from_bytes(bytes), register: None, record: None }
    }
}
