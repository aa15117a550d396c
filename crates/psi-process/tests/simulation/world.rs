//! True time, and what happens in it.

use std::{collections::BTreeMap, rc::Rc};

use psi_quorum::{BootTime, Envelope, Outcome, Progress, Register, Request, Response, VoterSet};
use psi_security::node_key::NodePublicKey;

use super::{
    cast::cast,
    machine::{Machine, PendingVote, Process, Seat},
    node::Draft,
    oracle::Oracle,
    plan::{Mutation, Plan},
    rng::Rng,
};

/// What clocks show when a history begins.
const START_MS: u64 = 1_700_000_000_000;

#[derive(Clone)]
pub(super) enum Event {
    Request { to: usize, register: usize, reply_to: (usize, u64), request: Rc<Request> },
    Response { to: (usize, u64), register: usize, from: NodePublicKey, response: Rc<Response> },
    Synced { machine: usize, run: u64 },
    Client { machine: usize, run: u64 },
    Decide { machine: usize, run: u64, draft: Box<Draft> },
    Deadline { machine: usize, run: u64, register: usize, number: u64 },
    Wake { machine: usize, run: u64, register: usize },
    Start { machine: usize },
    Gossip,
    Fault,
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) rng: Rng,
    pub(super) now_us: u64,
    /// Days that went by at once, in milliseconds.
    pub(super) jumped_ms: u64,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    registers: Vec<Register>,
    pub(super) machines: Vec<Machine>,
    pub(super) oracle: Oracle,
    pub(super) is_stormy: bool,
    pub(super) clients_act: bool,
    /// How many wishes clients had so far.
    pub(super) wishes: u64,
    /// Wishes after the storm that have no answer yet.
    pub(super) open_wishes: BTreeMap<u64, String>,
    /// How often something happened that histories must meet.
    pub(super) markers: BTreeMap<&'static str, u64>,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let mut rng = Rng(plan.seed);
        let keys = (1..=plan.machines).map(|number| NodePublicKey::from_bytes([u8::try_from(number).unwrap(); 32]));
        let keys: Vec<_> = keys.collect();
        let voters = VoterSet::new(keys.iter().copied()).unwrap();
        let names = cast().registers.iter().take(plan.registers).map(|register| register.name.clone());
        let registers: Vec<_> = names.map(|name| Register::new(name, voters.clone())).collect();
        let machines = keys.into_iter().enumerate().map(|(number, key)| Machine {
            key,
            skew_ms: i64::try_from(rng.range(0, 4_000)).unwrap() - 2_000,
            sync_us: rng.range(50, 4_000),
            records: vec![None; registers.len()],
            documents: BTreeMap::new(),
            group: 0,
            runs: 0,
            is_broken: number == 0 && plan.forged_percent > 0,
            process: None,
        });
        let (machines, oracle) = (machines.collect(), Oracle::new(registers.len()));
        let mut world = Self {
            plan,
            rng,
            now_us: 0,
            jumped_ms: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            registers,
            machines,
            oracle,
            is_stormy: true,
            clients_act: true,
            wishes: 0,
            open_wishes: BTreeMap::new(),
            markers: BTreeMap::new(),
        };
        for machine in 0..world.machines.len() {
            world.start(machine);
        }
        world.schedule(0, Event::Gossip);
        world
    }

    pub(super) fn mark(&mut self, marker: &'static str) {
        *self.markers.entry(marker).or_default() += 1;
    }

    pub(super) fn schedule(&mut self, delay_us: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now_us + delay_us, self.sequence), event);
    }

    /// What proposers measure their patience by.
    pub(super) fn boot_time(&self) -> BootTime {
        BootTime(self.now_us / 1000)
    }

    /// What the clock of a machine shows.
    pub(super) fn wall_ms(&self, machine: usize) -> u64 {
        let true_ms = START_MS + self.jumped_ms + self.now_us / 1000;
        true_ms.saturating_add_signed(self.machines[machine].skew_ms)
    }

    /// A process with this run, if it is up.
    pub(super) fn process(&mut self, machine: usize, run: u64) -> Option<&mut Process> {
        self.machines[machine].process.as_mut().filter(|process| process.run == run)
    }

    pub(super) fn seat(&mut self, machine: usize, register: usize) -> Option<&mut Seat> {
        self.machines[machine].process.as_mut().map(|process| &mut process.seats[register])
    }

    pub(super) fn start(&mut self, machine: usize) {
        if self.machines[machine].process.is_none() {
            self.machines[machine].start(&self.registers);
            let (run, pause) = (self.machines[machine].runs, self.pause_us());
            self.schedule(pause, Event::Client { machine, run });
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
        match event {
            Event::Request { to, register, reply_to, request } => self.deliver(to, register, reply_to, &request),
            Event::Response { to: (machine, run), register, from, response } => {
                let (now, random) = (self.boot_time(), self.rng.next());
                let Some(process) = self.process(machine, run) else { return };
                let progress = process.seats[register].proposer.handle(now, random, from, &response);
                self.go_on(machine, register, progress);
            }
            Event::Synced { machine, run } => self.sync(machine, run),
            Event::Client { machine, run } => self.play_client(machine, run),
            Event::Decide { machine, run, draft } => {
                if self.process(machine, run).is_some() {
                    self.decide(machine, *draft);
                }
            }
            Event::Deadline { machine, run, register, number } => {
                if self.process(machine, run).is_some() {
                    self.give_up(machine, register, number);
                }
            }
            Event::Wake { machine, run, register } => {
                let now = self.boot_time();
                let Some(process) = self.process(machine, run) else { return };
                let proposer = &mut process.seats[register].proposer;
                if proposer.wake_at().is_some_and(|at| at <= now) {
                    let progress = proposer.tick(now);
                    self.go_on(machine, register, progress);
                }
            }
            Event::Start { machine } => self.start(machine),
            Event::Gossip => self.gossip(),
            Event::Fault => self.play_fault(),
        }
    }

    /// A voter gets a request. It looks at what is proposed before it votes.
    fn deliver(&mut self, to: usize, register: usize, reply_to: (usize, u64), request: &Request) {
        if self.machines[to].process.is_none() {
            return;
        }
        if self.plan.mutation != Some(Mutation::Credulity) && !self.may_vote(to, register, request) {
            return self.mark("a voter refuses what does not follow");
        }
        let Some(process) = self.machines[to].process.as_mut() else { return };
        let seat = &mut process.seats[register];
        let outcome = seat.voter.handle(request);
        seat.show(seat.voter.announcement());
        let run = process.run;
        match outcome {
            Outcome::Send(response) => self.respond(to, register, reply_to, response),
            Outcome::Sync(response) => {
                process.pending.push_back(PendingVote { register, reply_to, response });
                self.schedule(self.machines[to].sync_us, Event::Synced { machine: to, run });
            }
        }
        self.observe(to, register);
    }

    fn sync(&mut self, machine: usize, run: u64) {
        let Some(process) = self.process(machine, run) else { return };
        let Some(PendingVote { register, reply_to, response }) = process.pending.pop_front() else { return };
        let record = response.record().clone();
        let response = process.seats[register].voter.into_response(response);
        self.machines[machine].records[register] = Some(record);
        self.respond(machine, register, reply_to, response);
    }

    fn respond(&mut self, machine: usize, register: usize, reply_to: (usize, u64), response: Response) {
        let (from, response) = (self.machines[machine].key, Rc::new(response));
        self.transmit(machine, reply_to.0, &Event::Response { to: reply_to, register, from, response });
    }

    /// Sends what a proposer wants sent, shows the oracle what it learned, and settles what it proposed.
    pub(super) fn go_on(&mut self, machine: usize, register: usize, progress: Progress) {
        self.observe(machine, register);
        let Some(process) = self.machines[machine].process.as_mut() else { return };
        let (run, seat) = (process.run, &mut process.seats[register]);
        let wake_at = seat.proposer.wake_at().filter(|at| seat.wake_at.replace(*at) != Some(*at));
        for Envelope { to, request } in progress.sends {
            let to = self.machines.iter().position(|machine| machine.key == to).unwrap();
            let (reply_to, request) = ((machine, run), Rc::new(request));
            self.transmit(machine, to, &Event::Request { to, register, reply_to, request });
        }
        if let Some(at) = wake_at {
            let delay = (at.0 * 1000).saturating_sub(self.now_us);
            self.schedule(delay, Event::Wake { machine, run, register });
        }
        if let Some(verdict) = progress.verdict {
            self.settle(machine, register, verdict);
        }
    }

    /// Shows the oracle what a machine takes for decided.
    pub(super) fn observe(&mut self, machine: usize, register: usize) {
        let Some(process) = self.machines[machine].process.as_mut() else { return };
        let seat = &mut process.seats[register];
        let steps = (seat.proposer.last().step().0, seat.voter.last().step().0);
        if steps.0 > seat.seen.0 {
            self.oracle.decision(register, seat.proposer.last());
        }
        if steps.1 > seat.seen.1 {
            self.oracle.decision(register, seat.voter.last());
        }
        seat.seen = steps;
    }
}
