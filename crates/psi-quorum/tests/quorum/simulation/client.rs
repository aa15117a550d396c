//! What the clients of a node do, and the calm at the end in which they must succeed.

use psi_quorum::{ClientName, LeaseProgress, LeaseValue, Request};

use super::{
    machine::{Report, Seat},
    plan::Kind,
    world::{Event, World},
};

/// Longest time to a verdict in the calm, for a handful of proposers at 25 ms a hop.
const WAIT_MS_MAX: u64 = 5_000;

impl World {
    pub(super) fn play_client(&mut self, machine: usize, run: u64, repeats: bool) {
        if self.process(machine, run).is_none() {
            return;
        }
        let pause = self.pause_us();
        if repeats {
            self.schedule(pause, Event::Client { machine, run, repeats });
        }
        if self.clients_act {
            self.act_once(machine, run);
        }
    }

    fn act_once(&mut self, machine: usize, run: u64) {
        let now = self.machines[machine].clock(self.now_us);
        let (choice, duration, wanted) = (self.rng.range(0, 99), self.duration(), self.wanted.clone());
        let (is_stormy, is_lazy) = (self.is_stormy, self.plan.seed.is_multiple_of(2));
        let body = self.rng.next().to_be_bytes().to_vec();
        self.act(machine, run, |seat| match seat {
            Seat::Step(proposer, _) => {
                if is_stormy && choice < 3 {
                    proposer.withdraw();
                }
                Report::Step(proposer.propose(now, wanted, body).unwrap_or_default())
            }
            Seat::Lease(lease, _) => {
                let holder = LeaseValue::of(lease.proposer().last().value())
                    .filter(|value| value.holder.node == lease.proposer().id())
                    .map(|value| value.holder.client);
                let client = holder.filter(|_| choice % 4 != 0);
                let client = client.unwrap_or_else(|| ClientName::new(if choice % 8 < 4 { "a" } else { "b" }).unwrap());
                Report::Lease(match choice {
                    0..3 if is_stormy => {
                        lease.withdraw();
                        LeaseProgress::default()
                    }
                    0..18 => lease.release(now, &client),
                    18..45 if lease.grant(now).is_some() => LeaseProgress::default(),
                    // Many holders let their time run out.
                    45..97 if is_lazy && lease.grant(now).is_some() => LeaseProgress::default(),
                    _ => lease.acquire(now, &client, duration, wanted).unwrap_or_default(),
                })
            }
        });
    }

    /// Heals everything. Then clients must get what a majority can give.
    pub(super) fn run_calm(&mut self) {
        self.is_stormy = false;
        self.clients_act = false;
        self.plan.loss_percent = 0;
        self.plan.slow_percent = 0;
        for machine in 0..self.machines.len() {
            self.machines[machine].group = 0;
            self.machines[machine].asleep_until = 0;
            self.start(machine);
        }
        self.gossip_everywhere();
        self.run_ms(WAIT_MS_MAX);
        self.gossip_everywhere();
        self.clients_act = true;
        self.longest_wait_ms = 0;
        let (grants, last) = (self.oracle.grants(), self.oracle.last_step());
        let (kind, longest_ms) = (self.plan.kind, self.plan.duration_ms.1);
        self.run_ms(if kind == Kind::Lease { longest_ms * 3 + 3_000 } else { 3_000 });
        if self.has_majority() {
            let is_live =
                if kind == Kind::Lease { self.oracle.grants() > grants } else { self.oracle.last_step() > last };
            if !is_live {
                self.oracle.broken.push("a majority that could talk decided nothing".to_owned());
            }
            if kind == Kind::Step && self.longest_wait_ms > WAIT_MS_MAX {
                self.oracle.broken.push(format!("a proposer waited {} ms", self.longest_wait_ms));
            }
        }
    }

    /// Whether a majority of the present voters is up, with what they voted.
    pub(super) fn has_majority(&self) -> bool {
        let voters = self.oracle.current_voters();
        let is_up = |voter: &&[u8; 32]| {
            self.machines.iter().any(|machine| machine.process.is_some() && machine.key.as_bytes() == *voter)
        };
        voters.iter().filter(is_up).count() * 2 > voters.len()
    }

    /// Everyone learns the last decision of everyone.
    fn gossip_everywhere(&mut self) {
        for from in 0..self.machines.len() {
            for to in 0..self.machines.len() {
                self.gossip(from, to);
            }
        }
    }

    /// One learns the last decision of another, as through replicated state.
    pub(super) fn gossip(&mut self, from: usize, to: usize) {
        let of = |world: &Self, machine: usize| Some((world.machines[machine].process.as_ref()?.run, machine));
        let (Some(_), Some((run, _))) = (of(self, from), of(self, to)) else { return };
        let now = self.machines[to].clock(self.now_us);
        let Some(sender) = self.machines[from].process.as_ref() else { return };
        let announcements = [sender.proposer().announcement(), sender.voter().announcement()];
        let announcement = announcements.into_iter().max_by_key(Request::step).unwrap();
        if let Some(process) = self.process(to, run) {
            let _ = process.handle_request(now, &announcement);
        }
        let mut refusal = None;
        self.act(to, run, |seat| match seat {
            Seat::Step(proposer, _) => Report::Step(proposer.learn(&announcement).unwrap_or_else(|error| {
                refusal = Some(error);
                psi_quorum::Progress::default()
            })),
            Seat::Lease(lease, _) => Report::Lease(lease.learn(now, &announcement).unwrap_or_else(|error| {
                refusal = Some(error);
                LeaseProgress::default()
            })),
        });
        if let Some(refusal) = refusal {
            self.oracle.broken.push(format!("gossip: {refusal}"));
        }
    }

    pub(super) fn propose_everywhere(&mut self) {
        self.is_stormy = false;
        self.clients_act = false;
        for machine in 0..self.machines.len() {
            let run = self.machines[machine].runs;
            self.act_once(machine, run);
        }
    }

    /// How many attempts are on their way.
    pub(super) fn waiting(&self) -> usize {
        let processes = self.machines.iter().filter_map(|machine| machine.process.as_ref());
        processes.filter(|process| process.proposer().is_busy()).count()
    }

    pub(super) fn run_until_decided(&mut self, step: u64) {
        self.is_stormy = false;
        for _ in 0..1000 {
            if self.oracle.last_step() >= step {
                return;
            }
            self.run_ms(100);
        }
        panic!("step {step} is not decided");
    }
}
