//! An attempt to have a value decided: one ballot, and what the voters answered.

use std::collections::{BTreeMap, BTreeSet};

use psi_security::node_key::NodePublicKey;

use crate::{
    ballot::Ballot,
    boot_time::BootTime,
    decision::{Proposal, Value},
    refusal::Refusal,
    voters::VoterSet,
};

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Attempt {
    /// What is to be decided, unless something was accepted before.
    pub(super) value: Value,
    pub(super) ballot: Ballot,
    pub(super) phase: Phase,
    /// How many ballots failed before this one.
    pub(super) tries: u32,
    pub(super) deadline: BootTime,
    /// Whether a higher ballot follows at the deadline, since this one met a nack.
    pub(super) retries: bool,
    /// Voters that help another holder, and for how many milliseconds.
    pub(super) holds: BTreeMap<NodePublicKey, u64>,
    pub(super) refusals: BTreeMap<NodePublicKey, Refusal>,
}

/// Which answers are being collected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// Promises, with what each voter accepted before.
    Prepare(BTreeMap<NodePublicKey, Option<Proposal>>),
    /// Votes, by the keys of voters: one that answers twice counts once.
    Accept { value: Value, votes: BTreeSet<NodePublicKey> },
}

impl Attempt {
    pub(super) fn new(value: Value, ballot: Ballot, tries: u32, deadline: BootTime) -> Self {
        Self {
            value,
            ballot,
            phase: Phase::Prepare(BTreeMap::new()),
            tries,
            deadline,
            retries: false,
            holds: BTreeMap::new(),
            refusals: BTreeMap::new(),
        }
    }

    /// What was accepted under the highest ballot, as it may be decided already; else the own value.
    pub(super) fn value_to_accept(&self) -> Value {
        let accepted = match &self.phase {
            Phase::Prepare(promises) => promises.values().flatten().max_by_key(|proposal| proposal.ballot),
            Phase::Accept { .. } => None,
        };
        accepted.map_or_else(|| self.value.clone(), |proposal| proposal.value.clone())
    }

    pub(super) fn start_accept(&mut self, value: Value, deadline: BootTime) {
        self.phase = Phase::Accept { value, votes: BTreeSet::new() };
        self.deadline = deadline;
        self.retries = false;
        self.holds.clear();
    }

    /// The ballot goes on until then, as a majority may still help it.
    pub(super) fn schedule_retry(&mut self, now: BootTime, backoff_ms: u64) {
        if !self.retries {
            self.retries = true;
            self.deadline = now.plus_ms(backoff_ms);
        }
    }

    pub(super) fn has_answer(&self, key: &NodePublicKey) -> bool {
        match &self.phase {
            Phase::Prepare(promises) => promises.contains_key(key),
            Phase::Accept { votes, .. } => votes.contains(key),
        }
    }

    /// In how many milliseconds a majority of those that answered helps; else the longest wait that one stated.
    pub(super) fn left_ms(&self, voters: &VoterSet) -> u64 {
        let wait_of = |key: &NodePublicKey| if self.has_answer(key) { Some(0) } else { self.holds.get(key).copied() };
        let mut waits: Vec<u64> = voters.keys().iter().filter_map(wait_of).collect();
        waits.sort_unstable();
        waits.get(voters.majority() - 1).or(waits.last()).copied().unwrap_or(0)
    }
}
