//! What was observed, in plain maps, and whether it keeps the promises. It shares no code with the crate.

use std::collections::{BTreeMap, BTreeSet};

use psi_quorum::{Decision, Proposal, ProposerId, Value};

/// A key, as bytes.
type Key = [u8; 32];
/// A key and a run.
type Run = (Key, u64);
/// A run and a client.
type Person = (Key, u64, String);

/// A value without the crate's types.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PlainValue {
    proposer: Option<Run>,
    voters: Vec<Key>,
    body: Vec<u8>,
}

/// What was observed in one register.
#[derive(Default)]
pub(super) struct Oracle {
    decided: BTreeMap<u64, PlainValue>,
    /// By step and ballot: the value, and which keys voted for it.
    votes: BTreeMap<(u64, u64, Run), (PlainValue, BTreeSet<Key>)>,
    granted: BTreeMap<u64, Person>,
    /// What was broken, in words.
    pub(super) broken: Vec<String>,
}

fn run(id: ProposerId) -> Run {
    (*id.key.as_bytes(), id.run)
}

fn plain(value: &Value) -> PlainValue {
    let voters = value.voters().keys().iter().map(|key| *key.as_bytes()).collect();
    PlainValue { proposer: value.proposer().map(run), voters, body: value.body().to_vec() }
}

impl Oracle {
    pub(super) fn new(genesis: &Decision) -> Self {
        let mut oracle = Self::default();
        oracle.decided.insert(0, plain(genesis.value()));
        oracle
    }

    /// The last step that is decided.
    pub(super) fn last_step(&self) -> u64 {
        self.decided.keys().next_back().copied().unwrap_or(0)
    }

    /// The voters of the step after the last one.
    pub(super) fn current_voters(&self) -> Vec<Key> {
        self.decided[&self.last_step()].voters.clone()
    }

    /// The voters of the last step. The next ones may not have learned yet that they are.
    pub(super) fn former_voters(&self) -> Vec<Key> {
        self.decided[&self.last_step().saturating_sub(1)].voters.clone()
    }

    /// How many steps changed the voters.
    pub(super) fn changes(&self) -> usize {
        self.decided.values().zip(self.decided.values().skip(1)).filter(|(one, next)| one.voters != next.voters).count()
    }

    pub(super) fn grants(&self) -> usize {
        self.granted.len()
    }

    /// A voter said that it accepted a proposal.
    pub(super) fn vote(&mut self, step: u64, voter: Key, proposal: &Proposal) {
        let value = plain(&proposal.value);
        let ballot = (step, proposal.ballot.number, run(proposal.ballot.proposer));
        let (known, voters) = self.votes.entry(ballot).or_insert_with(|| (value.clone(), BTreeSet::new()));
        voters.insert(voter);
        if *known != value {
            self.broken.push(format!("ballot {ballot:?} has two values"));
        }
    }

    /// Someone takes a step for decided.
    pub(super) fn decision(&mut self, decision: &Decision) {
        let (step, value) = (decision.step().0, plain(decision.value()));
        if let Some(known) = self.decided.get(&step) {
            if *known != value {
                self.broken.push(format!("step {step} has two decisions"));
            }
            return;
        }
        let Some(before) = step.checked_sub(1).and_then(|before| self.decided.get(&before)) else {
            self.broken.push(format!("step {step} is decided and the step before is not"));
            return;
        };
        let listed: BTreeSet<_> = before.voters.iter().copied().collect();
        let is_of_majority = |voters: &BTreeSet<Key>| voters.intersection(&listed).count() * 2 > listed.len();
        let is_voted = self
            .votes
            .iter()
            .any(|((voted, ..), (votes_for, voters))| *voted == step && *votes_for == value && is_of_majority(voters));
        if !is_voted {
            self.broken.push(format!("step {step} is decided without a majority of the voters of the step before"));
        }
        self.decided.insert(step, value);
    }

    /// A client was granted a lease, while those others rely on it.
    pub(super) fn grant(&mut self, fence: u64, person: Person, others: &[Person]) {
        if let Some(other) = others.iter().find(|other| **other != person) {
            self.broken.push(format!("{person:?} holds fence {fence} while {other:?} relies on the lease"));
        }
        if self.granted.keys().next_back().is_some_and(|last| *last >= fence) {
            self.broken.push(format!("fence {fence} is granted after a higher one"));
        }
        self.granted.insert(fence, person);
    }
}
