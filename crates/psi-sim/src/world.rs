//! The world: processes on a network, and a queue of what happens next. Nothing happens but by the plan's seed.

mod carriage;
mod dice;
mod events;
pub(crate) mod identity;
mod lives;
mod membership;
mod network;
mod process;
mod queue;
mod rollouts;
mod snapshots;
mod trap;

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, VecDeque},
    fmt,
    sync::Arc,
};

use psi_state::Replica;

use self::{dice::Dice, network::Network, queue::QueuedOccurrence, rollouts::cluster::RolloutCluster};
pub(crate) use self::{
    process::{DELTA_BYTES_MAX, Machine, Process, QueuedInput, State},
    queue::Occurrence,
    rollouts::{RolloutTurn, Wish, cast, cluster::Quality, facts::window_of},
    trap::Trap,
};
use crate::{
    checks::{book::Book, stranger_book::StrangerBook},
    clients::token::CarriedToken,
    faults::{key_change::KeyOperator, kind::FaultKind},
    plan::{Plan, rng::Rng, signed},
    report::{Counts, Sink, Trace, markers::Marker},
};

pub(crate) struct World<'a> {
    pub(crate) plan: Plan,
    pub(crate) now: u64,
    pub(crate) machines: Vec<Machine>,
    pub(crate) processes: Vec<Process>,
    pub(crate) network: Network,
    pub(crate) dice: Dice,
    pub(crate) book: Book,
    pub(crate) strangers: StrangerBook,
    pub(crate) keys: KeyOperator,
    pub(crate) rollouts: RolloutCluster,
    pub(crate) counts: Counts,
    pub(crate) trace: Trace<'a>,
    pub(crate) queue: BinaryHeap<Reverse<QueuedOccurrence>>,
    queued: u64,
    /// Machines that faults may still befall; empty when all is quiet.
    pub(crate) exposed: BTreeSet<usize>,
    /// Tokens that clients carry.
    pub(crate) tokens: VecDeque<CarriedToken>,
    /// When all faults ended.
    pub(crate) calm_at: Option<u64>,
    /// Steps that were accepted.
    pub(crate) steps: u64,
    /// A process that clients write to in a rush, the field, and how often they still do.
    pub(crate) rush: Option<(usize, psi_replica::FieldName, u8)>,
    /// Whether clients write.
    pub(crate) is_writing: bool,
    /// The connection of which a frame has just been handed in.
    pub(crate) listens_to: Option<u64>,
    /// A clock jumped while a process had not heard of another.
    pub(crate) jumped_alone: bool,
    /// Clocks were off by years together: a machine that missed it is not waited for, but an operator accepts.
    pub(crate) were_years_apart: bool,
    /// What befalls the next process that folds or votes.
    pub(crate) trap: Option<Trap>,
    /// The first thing found wrong.
    pub(crate) wrong: Option<String>,
}

impl<'a> World<'a> {
    pub(crate) fn new(plan: Plan, sink: Option<Sink<'a>>) -> Self {
        let seed = plan.seed;
        let network = Network { weather: plan.weather, ..Network::default() };
        let mut world = Self {
            now: 0,
            machines: Vec::new(),
            processes: Vec::new(),
            network,
            dice: Dice::new(seed),
            book: Book::default(),
            strangers: StrangerBook::default(),
            keys: KeyOperator::default(),
            rollouts: RolloutCluster::default(),
            counts: Counts::default(),
            trace: Trace::new(sink),
            queue: BinaryHeap::new(),
            queued: 0,
            exposed: BTreeSet::new(),
            tokens: VecDeque::new(),
            calm_at: None,
            steps: 0,
            rush: None,
            is_writing: true,
            listens_to: None,
            jumped_alone: false,
            were_years_apart: false,
            trap: None,
            wrong: None,
            plan,
        };
        world.begin_with_key();
        for n in 0..world.plan.nodes {
            world.add_machine(n < world.plan.seeds);
        }
        world.begin_apart();
        for n in 0..world.plan.nodes {
            let at = world.dice.faults.below(1_500);
            world.schedule(at, Occurrence::Start(n));
        }
        world.add_strangers();
        world.begin_rollouts();
        world.schedule(0, Occurrence::Gossip);
        world.schedule(500, Occurrence::Write);
        if !world.plan.faults.is_empty() || world.plan.storm.is_some() {
            world.schedule(if world.plan.storm.is_some() { 6_000 } else { 1_000 }, Occurrence::Fault);
        }
        world
    }

    pub(crate) fn schedule(&mut self, at: u64, what: Occurrence) {
        self.queued += 1;
        self.queue.push(Reverse(QueuedOccurrence { at: at.max(self.now), turn: self.queued, what }));
    }

    /// Lets time pass until `end`, or until something is found wrong.
    pub(crate) fn run_until(&mut self, end: u64) {
        while self.wrong.is_none() {
            match self.queue.peek() {
                Some(Reverse(due)) if due.at <= end => {}
                _ => break,
            }
            let Some(Reverse(due)) = self.queue.pop() else { break };
            self.now = due.at;
            self.happen(due.what);
        }
        self.now = self.now.max(end);
    }

    fn happen(&mut self, what: Occurrence) {
        match what {
            Occurrence::Wake(p) => self.wake(p),
            Occurrence::Arrive { connection, end, copy } => self.arrive(connection, end, copy),
            Occurrence::Drain { connection, end } => self.drain(connection, end),
            Occurrence::Hangup { connection, end } => self.hang_up(connection, end, "the peer hung up"),
            Occurrence::Dial { from, to } => self.dial(from, to),
            Occurrence::Gossip => self.gossip(),
            Occurrence::Write => self.write(),
            Occurrence::Fault => self.fault(),
            Occurrence::Resume(p) => self.resume(p),
            Occurrence::Start(machine) => self.start(machine),
            Occurrence::Open(ways) => self.open_ways(&ways),
            Occurrence::SetClock(machine) => self.set_clock(machine),
            Occurrence::Stop { p, is_clean } => self.stop(p, is_clean),
            Occurrence::CutOff { machine, ms } => self.cut_off(machine, ms),
            Occurrence::ChangeKeys => self.change_keys(),
            Occurrence::PutKeys(machine) => self.put_keys(machine),
            Occurrence::ReadKeys(p) => self.read_keys(p),
            Occurrence::Replace(machine) => self.replace(machine),
            Occurrence::Rollout(turn) => self.take_turn(turn),
        }
    }

    /// Notes the first thing that is wrong; the run ends there.
    pub(crate) fn found_wrong(&mut self, what: impl fmt::Display) {
        if self.wrong.is_none() {
            let what = what.to_string();
            self.trace.record(self.now, "wrong", &[], what.as_bytes(), || format!("WRONG: {what}"));
            self.wrong = Some(what);
        }
    }

    pub(crate) fn reach(&mut self, marker: Marker) {
        self.counts.markers.reach(marker);
    }

    pub(crate) fn count_fault(&mut self, kind: FaultKind) {
        *self.counts.faults.entry(kind.name()).or_default() += 1;
    }

    pub(crate) fn label(&self, p: usize) -> Arc<str> {
        self.processes[p].label.clone()
    }

    /// Notes something that befell one process.
    pub(crate) fn trace_process(&mut self, p: usize, kind: &'static str, what: impl fmt::Display) {
        let label = self.label(p);
        self.trace.record(self.now, kind, &[p as u64], &[], || format!("{label:<6} {what}"));
    }

    /// A call on a running process; what follows from it is carried out.
    pub(crate) fn with<R>(&mut self, p: usize, call: impl FnOnce(&mut Replica, psi_replica::Now) -> R) -> R {
        let process = &mut self.processes[p];
        let now = process.now(self.now, &self.machines[process.machine]);
        let result = call(&mut process.replica, now);
        self.settle(p);
        result
    }

    /// Takes what a process has to say and to tell after a call, and checks it.
    pub(crate) fn settle(&mut self, p: usize) {
        self.take_events(p);
        self.take_end_moves(p);
        self.check_time(p);
        self.check(p);
        self.poll_links(p);
        let process = &mut self.processes[p];
        if let Some(at) = process.replica.wake_at() {
            // One that keeps asking for the past would spin.
            let at = (process.started + at.0).max(self.now + 1);
            if process.wake.is_none_or(|wake| at < wake || wake < self.now) {
                process.wake = Some(at);
                self.schedule(at, Occurrence::Wake(p));
            }
        }
    }

    /// A random delay around `mean`, never 0.
    pub(crate) fn around(rng: &mut Rng, mean: u64) -> u64 {
        1 + rng.below(2 * mean.max(1))
    }

    /// A random error of a clock of hours, both ways.
    pub(crate) fn hours(rng: &mut Rng) -> i64 {
        let size = signed(rng.between(600_000, 6 * 3_600_000));
        if rng.chance(500) { size } else { -size }
    }
}
