//! Experiments of size: one write on every node at once, then quiet. How long until all hold all, and what does it cost?
//!
//! A lean network for many replicas: links that stand, keep their order, and lose single frames. What breaks links,
//! nodes and clocks is left to the simulator proper; only encoded frames cross here too.

mod network;
mod outcome;
mod topology;

use crate::plan::rng::Rng;

use self::{network::Network, outcome::ratio};
pub use self::{
    network::Progress,
    outcome::{Outcome, Summary},
    topology::Links,
};

/// Links come up within this time, so that what they do every so often does not fall together.
const LINK_UP_MS: u64 = 2_000;
/// Until links have settled: everything is told at most 100 ms later, and answered by then.
const SETTLE_MS: u64 = 1_000;
/// From one write of a node to its next: those of a flush are one, so that 20 ms would be the least.
const BETWEEN_MS: u64 = 50;
/// What is sent until so long after agreement is counted: the last acknowledgements, and who now holds what.
const TAIL_MS: u64 = 300;
/// For how long a quiet cluster is watched: ten beats.
const IDLE_MS: u64 = 20_000;
/// Longer than this no burst may take.
const LIMIT_MS: u64 = 120_000;

/// One experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Nodes of the cluster.
    pub nodes: usize,
    /// Who is linked to whom.
    pub links: Links,
    /// Percent of frames that never arrive.
    pub loss: u64,
    /// Whether all nodes have written once before, so that links know the names of all origins: a cluster that has
    /// been up for a while. Else the burst is the first that is ever written.
    pub warm: bool,
    /// Writes of each node, 50 ms apart: one is a burst, several are a load.
    pub writes: u64,
    /// What everything random is drawn from.
    pub seed: u64,
}

impl Burst {
    /// Runs the experiment on all cores; `watch` is told how far it has come, now and then.
    pub fn run(&self, watch: &mut dyn FnMut(Progress)) -> Outcome {
        self.run_on(cores(), watch)
    }

    fn run_on(&self, threads: usize, watch: &mut dyn FnMut(Progress)) -> Outcome {
        let pairs = self.links.draw(self.nodes, &mut Rng::new(self.seed, "links"));
        let mut network = Network::new(self.nodes, self.seed, threads);
        let mut rng = Rng::new(self.seed, "burst");
        for (one, other) in &pairs {
            network.link_up_at(rng.below(LINK_UP_MS), *one, *other);
        }
        network.run(LINK_UP_MS + SETTLE_MS);
        network.set_loss(self.loss);
        let is_sound = !self.warm || {
            network.write_everywhere(&mut rng);
            network.run_until_agreed(LIMIT_MS, watch).is_some()
        };
        network.run(network.now() + SETTLE_MS);
        let before = network.sent();
        let mut needed_bytes = 0;
        for write in 0..self.writes.max(1) {
            if write > 0 {
                network.run(network.now() + BETWEEN_MS);
            }
            network.write_everywhere(&mut rng);
            needed_bytes += network.changed_bytes() * (self.nodes as u64 - 1);
        }
        let started = network.now();
        let agreed = if is_sound { network.run_until_agreed(LIMIT_MS, watch) } else { None };
        network.run(network.now() + TAIL_MS);
        let after = network.sent();
        network.run(network.now() + SETTLE_MS);
        let settled = network.sent();
        network.run(network.now() + IDLE_MS);
        Outcome {
            seed: self.seed,
            links: pairs.len(),
            agreed_ms: agreed.map(|at| at - started),
            frames: after.frames - before.frames,
            bytes: after.bytes - before.bytes,
            needed_bytes,
            idle_bytes_per_second: ratio(network.sent().bytes - settled.bytes, pairs.len() as u64 * (IDLE_MS / 1_000)),
        }
    }

    /// Runs it once for each seed from its own on, on all cores; `done` is told of each. Outcomes are in the order of
    /// the seeds.
    pub fn sweep(&self, seeds: u64, done: &(dyn Fn() + Sync)) -> Vec<Outcome> {
        let threads = cores();
        let every = |first: usize| {
            let run = |turn| {
                let outcome = Self { seed: self.seed.wrapping_add(turn), ..*self }.run_on(1, &mut |_| ());
                done();
                (turn, outcome)
            };
            (0..seeds).skip(first).step_by(threads).map(run).collect::<Vec<_>>()
        };
        let mut outcomes: Vec<(u64, Outcome)> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || every(first))).collect();
            running.into_iter().flat_map(|thread| thread.join().expect("a run does not panic")).collect()
        });
        outcomes.sort_by_key(|(turn, _)| *turn);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
