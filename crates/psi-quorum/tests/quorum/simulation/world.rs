//! True time, and what happens in it.

use std::collections::BTreeMap;

use psi_quorum::{
    Answer, Call, LeaseDuration, LeaseVerdict, Outcome, Register, RegisterName, Request, Response, Verdict, VoterSet,
};

use super::{
    machine::{Machine, Process, Report, Seat},
    oracle::Oracle,
    plan::Plan,
};
use crate::support::{Rng, key, voters};

#[derive(Clone, Debug)]
pub(super) enum Event {
    Request { to: usize, reply_to: (usize, u64), bytes: Vec<u8> },
    Response { to: (usize, u64), from: psi_security::node_key::NodePublicKey, bytes: Vec<u8> },
    Synced { machine: usize, run: u64 },
    Client { machine: usize, run: u64, repeats: bool },
    Wake { machine: usize, run: u64 },
    Start { machine: usize },
    Fault,
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) rng: Rng,
    pub(super) now_us: u64,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    pub(super) register: Register,
    pub(super) machines: Vec<Machine>,
    pub(super) oracle: Oracle,
    /// The voters that operators want from now on.
    pub(super) wanted: VoterSet,
    pub(super) is_stormy: bool,
    pub(super) clients_act: bool,
    pub(super) requests: u64,
    pub(super) longest_wait_ms: u64,
    /// How often something happened that histories must meet.
    pub(super) markers: BTreeMap<&'static str, u64>,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let mut rng = Rng(plan.seed);
        let first: Vec<u64> = (0..plan.first_voters).collect();
        let register = Register::new(RegisterName::new("lease/a").unwrap(), voters(&first));
        let machines = (0..plan.machines).map(|number| Machine {
            rate_ppm: 1_000_000 + rng.range(0, plan.rate_ppm_max),
            boot_us: rng.range(0, 1 << 40),
            key: key(number),
            disk: None,
            backup: None,
            sync_us: rng.range(50, 4_000),
            asleep_until: 0,
            missed_us: 0,
            group: 0,
            runs: 0,
            process: None,
        });
        let machines: Vec<_> = machines.collect();
        let (oracle, wanted) = (Oracle::new(register.genesis()), voters(&first));
        let mut world = Self {
            plan,
            rng,
            now_us: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            register,
            machines,
            oracle,
            wanted,
            is_stormy: true,
            clients_act: true,
            requests: 0,
            longest_wait_ms: 0,
            markers: BTreeMap::new(),
        };
        for machine in 0..world.machines.len() {
            world.start(machine);
        }
        world
    }

    pub(super) fn mark(&mut self, marker: &'static str) {
        *self.markers.entry(marker).or_default() += 1;
    }

    pub(super) fn schedule(&mut self, delay_us: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now_us + delay_us, self.sequence), event);
    }

    /// A process with this run, if it is up.
    pub(super) fn process(&mut self, machine: usize, run: u64) -> Option<&mut Process> {
        self.machines[machine].process.as_mut().filter(|process| process.run == run)
    }

    pub(super) fn start(&mut self, machine: usize) {
        if self.machines[machine].process.is_none() {
            self.machines[machine].start(self.plan.kind, &self.register, self.now_us);
            let run = self.machines[machine].runs;
            let pause = self.pause_us();
            self.schedule(pause, Event::Client { machine, run, repeats: true });
        }
    }

    pub(super) fn pause_us(&mut self) -> u64 {
        self.rng.range(1, self.plan.pause_ms * 1000)
    }

    pub(super) fn run_ms(&mut self, ms: u64) {
        let end = self.now_us + ms * 1000;
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), event) = entry.remove_entry();
            self.now_us = at;
            self.happen(event);
        }
        self.now_us = end;
    }

    fn happen(&mut self, event: Event) {
        let asleep_until = match &event {
            Event::Request { to, .. } => self.machines[*to].asleep_until,
            Event::Response { to: (machine, _), .. }
            | Event::Synced { machine, .. }
            | Event::Client { machine, .. }
            | Event::Wake { machine, .. } => self.machines[*machine].asleep_until,
            Event::Start { .. } | Event::Fault => 0,
        };
        if asleep_until > self.now_us {
            return self.schedule(asleep_until - self.now_us, event);
        }
        match event {
            Event::Request { to, reply_to, bytes } => self.deliver_request(to, reply_to, &bytes),
            Event::Response { to, from, bytes } => {
                let (response, random) = (Response::decode(&bytes).unwrap(), self.rng.next());
                let now = self.machines[to.0].clock(self.now_us);
                self.act(to.0, to.1, |seat| match seat {
                    Seat::Step(proposer, _) => Report::Step(proposer.handle(now, random, from, &response)),
                    Seat::Lease(lease, _) => Report::Lease(lease.handle(now, random, from, &response)),
                });
            }
            Event::Synced { machine, run } => self.sync(machine, run),
            Event::Client { machine, run, repeats } => self.play_client(machine, run, repeats),
            Event::Wake { machine, run } => {
                let now = self.machines[machine].clock(self.now_us);
                self.act(machine, run, |seat| match seat {
                    Seat::Step(proposer, _) => Report::Step(proposer.tick(now)),
                    Seat::Lease(lease, _) => Report::Lease(lease.tick(now)),
                });
            }
            Event::Start { machine } => self.start(machine),
            Event::Fault => self.play_fault(),
        }
    }

    fn deliver_request(&mut self, to: usize, reply_to: (usize, u64), bytes: &[u8]) {
        let (now, sync_us) = (self.machines[to].clock(self.now_us), self.machines[to].sync_us);
        let request = Request::decode(bytes).unwrap();
        let Some(process) = self.machines[to].process.as_mut() else { return };
        let (run, outcome) = (process.run, process.handle_request(now, &request));
        match outcome {
            Outcome::Send(response) => self.respond(to, reply_to, &request, &response),
            Outcome::Sync(pending) => {
                process.pending.push_back((pending, reply_to));
                self.schedule(sync_us, Event::Synced { machine: to, run });
            }
        }
        self.observe(to);
    }

    fn sync(&mut self, machine: usize, run: u64) {
        let Some(process) = self.process(machine, run) else { return };
        let Some((pending, reply_to)) = process.pending.pop_front() else { return };
        let bytes = pending.record().encode();
        let record = pending.record().clone();
        let response = process.take_response(pending);
        self.machines[machine].disk = Some(bytes);
        // A vote is for what the record says was accepted.
        if *response.answer() == Answer::Vote {
            let proposal = record.accepted().unwrap();
            assert_eq!(Some(proposal.ballot), response.ballot());
            self.oracle.vote(response.step().0, *self.machines[machine].key.as_bytes(), proposal);
        }
        self.send_response(machine, reply_to, &response);
    }

    fn respond(&mut self, machine: usize, reply_to: (usize, u64), request: &Request, response: &Response) {
        if let (Answer::Vote, Call::Accept(proposal)) = (response.answer(), request.call()) {
            self.oracle.vote(response.step().0, *self.machines[machine].key.as_bytes(), proposal);
        }
        self.send_response(machine, reply_to, response);
    }

    fn send_response(&mut self, machine: usize, reply_to: (usize, u64), response: &Response) {
        self.mark(match response.answer() {
            Answer::Promise(None) => "promise",
            Answer::Promise(Some(_)) => "promise with a vote",
            Answer::Vote => "vote",
            Answer::Nack(_) => "nack",
            Answer::Decision(_) => "decision",
            Answer::Hold(_) => "hold",
            Answer::Refusal(_) => "refusal",
        });
        let (from, bytes) = (self.machines[machine].key, response.encode());
        self.transmit(machine, reply_to.0, &Event::Response { to: reply_to, from, bytes });
    }

    /// Calls a seat, sends what it wants sent, and shows the oracle what it says.
    pub(super) fn act(&mut self, machine: usize, run: u64, call: impl FnOnce(&mut Seat) -> Report) {
        let Some(process) = self.process(machine, run) else { return };
        let report = call(&mut process.seat);
        let wake_at = process.proposer().wake_at();
        self.observe(machine);
        let sends = match report {
            Report::Step(progress) => {
                if let Some(Verdict::Decided { decision, is_ours, .. }) = &progress.verdict {
                    self.oracle.decision(decision);
                    self.mark(if *is_ours { "own decision" } else { "other decision" });
                }
                self.end_wait(machine, progress.verdict.is_some());
                progress.sends
            }
            Report::Lease(progress) => {
                self.end_wait(machine, progress.verdict.is_some());
                if let Some(verdict) = progress.verdict {
                    self.judge(machine, run, &verdict);
                }
                progress.sends
            }
        };
        self.send_all(machine, sends);
        if let Some(at) = wake_at {
            let delay = self.machines[machine].true_us(at).saturating_sub(self.now_us);
            self.schedule(delay, Event::Wake { machine, run });
        }
    }

    fn end_wait(&mut self, machine: usize, has_verdict: bool) {
        let now_us = self.now_us;
        let Some(process) = self.machines[machine].process.as_mut() else { return };
        let is_busy = process.proposer().is_busy();
        if has_verdict || !is_busy {
            let since = process.waits_since.take().unwrap_or(now_us);
            if !self.is_stormy {
                self.longest_wait_ms = self.longest_wait_ms.max((now_us - since) / 1000);
            }
        } else {
            process.waits_since.get_or_insert(now_us);
        }
    }

    /// Shows the oracle what a machine takes for decided.
    fn observe(&mut self, machine: usize) {
        let Some(process) = self.machines[machine].process.as_mut() else { return };
        let steps = (process.proposer().last().step().0, process.voter().last().step().0);
        if steps.0 > process.seen.0 {
            self.oracle.decision(process.proposer().last());
        }
        if steps.1 > process.seen.1 {
            self.oracle.decision(process.voter().last());
        }
        process.seen = steps;
    }

    fn judge(&mut self, machine: usize, run: u64, verdict: &LeaseVerdict) {
        self.mark(match verdict {
            LeaseVerdict::Granted(_) => "grant",
            LeaseVerdict::Lapsed(_) => "lapse",
            LeaseVerdict::Released(_) => "release",
            LeaseVerdict::Lost { .. } => "loss",
            LeaseVerdict::Refused(_) => "refused",
        });
        match verdict {
            LeaseVerdict::Granted(grant) => {
                let person =
                    |at: usize, run: u64, client: &str| (*self.machines[at].key.as_bytes(), run, client.to_owned());
                let believers = self.machines.iter().enumerate().filter_map(|(at, other)| {
                    let process = other.process.as_ref()?;
                    let Seat::Lease(lease, _) = &process.seat else { return None };
                    let grant = lease.grant(other.clock(self.now_us))?;
                    Some(person(at, process.run, grant.client.as_str()))
                });
                let believers: Vec<_> = believers.collect();
                self.oracle.grant(grant.fence.0, person(machine, run, grant.client.as_str()), &believers);
            }
            // Just when it may be free, by the fastest clock.
            LeaseVerdict::Lost { left_ms, .. } if *left_ms > 0 && self.rng.percent(70) => {
                let jitter = self.rng.range(0, 1500);
                let fastest_ppm = 1_000_000 + self.plan.rate_ppm_max;
                let delay = left_ms * 1_000_000 / fastest_ppm * 1000 + jitter;
                self.schedule(delay, Event::Client { machine, run, repeats: false });
            }
            LeaseVerdict::Refused(refusal) => self.oracle.broken.push(format!("machine {machine}: {refusal}")),
            _ => {}
        }
    }

    /// A duration of the plan.
    pub(super) fn duration(&mut self) -> LeaseDuration {
        let (low, high) = self.plan.duration_ms;
        LeaseDuration::from_ms(self.rng.range(low, high)).unwrap()
    }
}
