//! What happens in a day: a rolling deploy, in which every node is restarted once; then the rest of the day.

use psi_replica::FieldName;
use psi_sim::Rng;

use crate::cluster::{Cluster, Order, WIDTH};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// From the beginning of a day to its first restart.
const LEAD_MS: u64 = 10_000;
/// A node that is to be killed takes no steps for so long before.
const DOOM_MS: u64 = 5_000;
/// From SIGTERM to the end of the process.
const CLOSE_MS: u64 = 1_000;
/// From the end of a process to the start of the next.
const DOWN_MS: u64 = 5_000;
/// How long after the last restart all runs but the live ones must have ended.
const SETTLE_MS_MAX: u64 = 30 * 60 * 1000;
/// How long the cluster is watched between two jumps of a quiet day.
const WATCH_MS: u64 = 3_000;
/// Between two steps, during a deploy.
const STEP_MS: u64 = 2_000;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) nodes: usize,
    pub(crate) days: u64,
    pub(crate) seed: u64,
    /// From one restart of a deploy to the next.
    pub(crate) apart_ms: u64,
    /// Nodes that are restarted at once.
    pub(crate) at_once: usize,
    /// What `cluster.end_after_s` is set to.
    pub(crate) end_after_ms: u64,
    /// What of a quiet day is passed over at once.
    pub(crate) jump_ms: u64,
    /// Most runs that a replica may hold.
    pub(crate) origins_max: usize,
}

/// What a day came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DayReport {
    pub(crate) origins_max: usize,
    pub(crate) checkpoints: u64,
    /// From the last restart until all other runs had ended everywhere.
    pub(crate) settled_ms: u64,
}

pub(crate) struct Days {
    pub(crate) options: Options,
    pub(crate) cluster: Cluster,
    rng: Rng,
}

impl Days {
    pub(crate) fn new(options: Options) -> Self {
        let mut cluster = Cluster::new(options.nodes, options.end_after_ms, options.seed);
        cluster.run(60_000);
        Self { options, cluster, rng: Rng::new(options.seed, "days") }
    }

    /// Lives through the next day.
    ///
    /// # Panics
    /// If a replica holds too many runs, if not all ends that should, or if a step is missing or counts twice.
    pub(crate) fn live(&mut self) -> DayReport {
        let begun = self.cluster.now;
        let before = self.cluster.counts.checkpoints;
        self.cluster.counts.origins_max = 0;
        let deployed = self.plan_deploy();
        self.cluster.run(deployed);
        let settled_ms = self.settle();
        while self.cluster.now + self.options.jump_ms < begun + DAY_MS {
            self.cluster.jump(self.cluster.now + self.options.jump_ms);
            for n in 0..self.options.nodes {
                if self.rng.chance(125) {
                    let at = self.cluster.now + self.rng.below(WATCH_MS / 2);
                    self.cluster.order(at, n, Order::Step);
                }
            }
            self.cluster.run(self.cluster.now + WATCH_MS);
        }
        self.settle();
        self.check();
        self.cluster.jump(begun + DAY_MS);
        let counts = self.cluster.counts;
        DayReport { origins_max: counts.origins_max, checkpoints: counts.checkpoints - before, settled_ms }
    }

    /// Plans the restarts, and steps meanwhile; returns when the last node starts.
    fn plan_deploy(&mut self) -> u64 {
        let Options { nodes, apart_ms, at_once, .. } = self.options;
        let mut order: Vec<usize> = (0..nodes).collect();
        for at in (1..nodes).rev() {
            let other = usize::try_from(self.rng.below(at as u64 + 1)).unwrap_or(0);
            order.swap(at, other);
        }
        let begun = self.cluster.now + LEAD_MS;
        let mut last = begun;
        for (group, at) in order.chunks(at_once).zip((begun..).step_by(usize::try_from(apart_ms).unwrap_or(1))) {
            for n in group {
                let at = at + self.rng.below(500);
                last = self.plan_restart(*n, at).max(last);
            }
        }
        for at in (begun..last).step_by(usize::try_from(STEP_MS).unwrap_or(1)) {
            let n = usize::try_from(self.rng.below(nodes as u64)).unwrap_or(0);
            self.cluster.order(at, n, Order::Step);
        }
        last
    }

    /// Of ten restarts, seven are as by SIGTERM and three a kill. Of each kind, one loses its disk.
    fn plan_restart(&mut self, n: usize, at: u64) -> u64 {
        let kind = self.rng.below(10);
        let loses_disk = matches!(kind, 0 | 9);
        let ended = if kind < 7 {
            self.cluster.order(at, n, Order::Close);
            self.cluster.order(at + CLOSE_MS, n, Order::Stop { loses_disk });
            at + CLOSE_MS
        } else {
            self.cluster.order(at, n, Order::Doom);
            self.cluster.order(at + DOOM_MS, n, Order::Kill { loses_disk });
            at + DOOM_MS
        };
        self.cluster.order(ended + DOWN_MS, n, Order::Start);
        ended + DOWN_MS
    }

    /// Lets time pass until every replica holds the same, and no run but the live ones; tells how long that took.
    fn settle(&mut self) -> u64 {
        let begun = self.cluster.now;
        while !self.is_settled() {
            assert!(self.cluster.now < begun + SETTLE_MS_MAX, "not all has ended: {}", self.describe());
            self.cluster.run(self.cluster.now + 1_000);
        }
        let counts = self.cluster.counts;
        let most = self.options.origins_max;
        assert!(counts.origins_max <= most, "a replica held {} runs", counts.origins_max);
        self.cluster.now - begun
    }

    fn is_settled(&self) -> bool {
        let mut processes = self.cluster.machines.iter().map(|machine| machine.process.as_ref());
        let first = processes.clone().flatten().next().map(|process| process.replica.frontier().hash());
        processes.all(|process| {
            process.is_some_and(|process| {
                process.replica.origin().is_some()
                    && Some(process.replica.frontier().hash()) == first
                    && process.origins() == self.options.nodes
            })
        })
    }

    fn describe(&self) -> String {
        let first = self.cluster.machines.iter().find_map(|machine| machine.process.as_ref());
        let holds = |process: &crate::machine::Process| {
            let status = process.replica.end_status();
            let runs: Vec<String> = status
                .runs
                .iter()
                .map(|run| format!("{}:{:?}:{}:{}s", run.run, run.stage, run.version, run.silence_ms / 1000))
                .collect();
            format!(
                "checkpoint {}, waits {} s, missing {:?}, {runs:?}",
                status.checkpoint,
                status.waits_ms / 1000,
                status.missing
            )
        };
        let origins: Vec<usize> = self
            .cluster
            .machines
            .iter()
            .map(|machine| machine.process.as_ref().map_or(0, crate::machine::Process::origins))
            .collect();
        format!("{origins:?} {}", first.map(holds).unwrap_or_default())
    }

    /// Every replica shows each step once.
    fn check(&self) {
        let truth = &self.cluster.truth;
        let mut digests = Vec::new();
        for machine in &self.cluster.machines {
            let Some(process) = &machine.process else { panic!("{} is down", machine.name) };
            let view = process.replica.view(&FieldName::default_field());
            let count = view.as_ref().map_or(0, |view| view.moments.count);
            assert_eq!(count, truth.steps, "steps on {}", machine.name);
            if let Some(mean) = view.and_then(|view| view.mean()) {
                let steps = u32::try_from(truth.steps).map_or(f64::NAN, f64::from);
                let want: [f64; WIDTH] = truth.sums.map(|sum| f64::from(sum) / steps);
                assert_eq!(&mean[..], &want[..], "sums on {}", machine.name);
            }
            digests.push(process.replica.digest());
        }
        assert!(digests.windows(2).all(|two| two[0] == two[1]), "digests differ");
    }
}
