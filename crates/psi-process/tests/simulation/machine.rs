//! A machine: a clock, a disk, a key, and at times a process that votes and proposes.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use psi_process::{Transition, TransitionHash};
use psi_quorum::{BootTime, PendingResponse, Proposer, ProposerId, Record, Register, Request, RetryPolicy, Voter};
use psi_security::node_key::NodePublicKey;

use super::node::{Draft, Job};

pub(super) struct Machine {
    pub(super) key: NodePublicKey,
    /// By how many milliseconds its clock is ahead, or behind.
    pub(super) skew_ms: i64,
    pub(super) sync_us: u64,
    /// By register: what its voter synced last.
    pub(super) records: Vec<Option<Record>>,
    /// Transitions on its disk.
    pub(super) documents: BTreeMap<TransitionHash, Rc<Transition>>,
    pub(super) group: u64,
    pub(super) runs: u64,
    /// Whether it proposes what does not follow.
    pub(super) is_broken: bool,
    pub(super) process: Option<Process>,
}

pub(super) struct Process {
    pub(super) run: u64,
    pub(super) seats: Vec<Seat>,
    pub(super) pending: VecDeque<PendingVote>,
}

/// A response that waits for the disk, and to which machine and run it goes.
pub(super) struct PendingVote {
    pub(super) register: usize,
    pub(super) reply_to: (usize, u64),
    pub(super) response: PendingResponse,
}

/// What a run has of a register.
pub(super) struct Seat {
    pub(super) voter: Voter,
    pub(super) proposer: Proposer,
    /// The last decision that replicated state has here.
    pub(super) view: Request,
    /// What is proposed now.
    pub(super) job: Option<Job>,
    /// What waits until that has an answer.
    pub(super) queue: VecDeque<Draft>,
    /// When the proposer is woken next.
    pub(super) wake_at: Option<BootTime>,
    /// The last steps that the oracle saw of the proposer and the voter.
    pub(super) seen: (u64, u64),
}

impl Machine {
    /// Starts a process, from what the disk has.
    pub(super) fn start(&mut self, registers: &[Register]) {
        self.runs += 1;
        let id = ProposerId { key: self.key, run: self.runs };
        let seats = registers.iter().zip(&self.records).map(|(register, record)| {
            let voter = match record {
                None => Voter::new(self.key, register),
                Some(record) => Voter::restore(self.key, register, record.clone()).unwrap(),
            };
            let proposer = Proposer::new(id, register.clone(), RetryPolicy::default());
            let view = voter.announcement();
            Seat { voter, proposer, view, job: None, queue: VecDeque::new(), wake_at: None, seen: (0, 0) }
        });
        self.process = Some(Process { run: self.runs, seats: seats.collect(), pending: VecDeque::new() });
    }
}

impl Seat {
    /// Shows a decision to the clients of this machine.
    pub(super) fn show(&mut self, announcement: Request) {
        if announcement.step() > self.view.step() {
            self.view = announcement;
        }
    }
}
