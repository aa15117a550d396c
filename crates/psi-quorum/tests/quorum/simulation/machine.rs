//! A machine: a clock, a disk, a key, and at times a process.

use std::collections::VecDeque;

use psi_quorum::{
    BootTime, Lease, LeaseVoter, Outcome, PendingResponse, Progress, Proposer, ProposerId, Record, RecordError,
    Register, Request, Response, Voter,
};
use psi_security::node_key::NodePublicKey;

use super::plan::Kind;
use crate::support::{RETRY, key};

pub(super) struct Machine {
    /// Parts in a million by which its clock is fast, with those of true time.
    pub(super) rate_ppm: u64,
    pub(super) boot_us: u64,
    pub(super) key: NodePublicKey,
    pub(super) disk: Option<Vec<u8>>,
    pub(super) backup: Option<Vec<u8>>,
    pub(super) sync_us: u64,
    /// Until when it sleeps.
    pub(super) asleep_until: u64,
    /// How much time its clock missed.
    pub(super) missed_us: u64,
    pub(super) group: u64,
    pub(super) runs: u64,
    pub(super) process: Option<Process>,
}

pub(super) struct Process {
    pub(super) run: u64,
    pub(super) seat: Seat,
    /// Responses that wait for the disk, and to which machine and run they go.
    pub(super) pending: VecDeque<(PendingResponse, (usize, u64))>,
    /// The last steps that the oracle saw of the proposer and the voter.
    pub(super) seen: (u64, u64),
    /// Since when an attempt is on its way.
    pub(super) waits_since: Option<u64>,
}

pub(super) enum Seat {
    Step(Box<Proposer>, Voter),
    Lease(Box<Lease>, LeaseVoter),
}

impl Machine {
    /// What its clock shows.
    pub(super) fn clock(&self, true_us: u64) -> BootTime {
        let true_us = true_us.saturating_sub(self.missed_us);
        let own_us = u128::from(true_us) * u128::from(self.rate_ppm) / 1_000_000 + u128::from(self.boot_us);
        BootTime(u64::try_from(own_us / 1000).unwrap())
    }

    /// When its clock will show that.
    pub(super) fn true_us(&self, time: BootTime) -> u64 {
        let own_us = (u128::from(time.0) * 1000).saturating_sub(u128::from(self.boot_us));
        u64::try_from((own_us * 1_000_000).div_ceil(u128::from(self.rate_ppm))).unwrap() + 1 + self.missed_us
    }

    /// Starts a process, from what the disk has.
    pub(super) fn start(&mut self, kind: Kind, register: &Register, true_us: u64) {
        self.runs += 1;
        let (now, own) = (self.clock(true_us), self.key);
        if let Some(backup) = &self.backup {
            let record = Record::decode(backup).unwrap();
            if record != Voter::new(own, register).record().clone() {
                let restored = Voter::restore(key(u64::MAX), register, record);
                assert!(matches!(restored, Err(RecordError::OtherVoter { .. })), "a copy under a new key");
            }
        }
        let record = self.disk.as_ref().map(|bytes| Record::decode(bytes).unwrap());
        let proposer = Proposer::new(ProposerId { key: own, run: self.runs }, register.clone(), RETRY);
        let seat = match (kind, record) {
            (Kind::Step, None) => Seat::Step(Box::new(proposer), Voter::new(own, register)),
            (Kind::Step, Some(record)) => {
                Seat::Step(Box::new(proposer), Voter::restore(own, register, record).unwrap())
            }
            (Kind::Lease, record) => {
                let voter = match record {
                    None => LeaseVoter::new(own, register, now),
                    Some(record) => LeaseVoter::restore(own, register, record, now).unwrap(),
                };
                Seat::Lease(Box::new(Lease::new(proposer)), voter)
            }
        };
        let process = Process { run: self.runs, seat, pending: VecDeque::new(), seen: (0, 0), waits_since: None };
        self.process = Some(process);
    }
}

impl Process {
    pub(super) fn proposer(&self) -> &Proposer {
        match &self.seat {
            Seat::Step(proposer, _) => proposer,
            Seat::Lease(lease, _) => lease.proposer(),
        }
    }

    pub(super) fn voter(&self) -> &Voter {
        match &self.seat {
            Seat::Step(_, voter) => voter,
            Seat::Lease(_, voter) => voter.voter(),
        }
    }

    pub(super) fn handle_request(&mut self, now: BootTime, request: &Request) -> Outcome {
        match &mut self.seat {
            Seat::Step(_, voter) => voter.handle(request),
            Seat::Lease(_, voter) => voter.handle(now, request),
        }
    }

    pub(super) fn take_response(&mut self, pending: PendingResponse) -> Response {
        match &mut self.seat {
            Seat::Step(_, voter) => voter.into_response(pending),
            Seat::Lease(_, voter) => voter.into_response(pending),
        }
    }
}

/// What a call of a seat led to, for both kinds.
pub(super) enum Report {
    Step(Progress),
    Lease(psi_quorum::LeaseProgress),
}
