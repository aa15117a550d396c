//! What a seed stands for: how many nodes there are, what may go wrong in its run and how often.

mod habits;
pub(crate) mod mode;
pub(crate) mod rng;
mod rollouts;
mod storm;
mod strangers;
mod weather;

use std::collections::BTreeSet;

use crate::{faults::kind::FaultKind, plan::rng::Rng};

pub use self::mode::Mode;
pub(crate) use self::{
    habits::{BATCH, Habits},
    rollouts::RolloutRun,
    storm::{Episode, Severity, Storm},
    strangers::{IdentityPlan, KeyChange, StrangerKind},
    weather::Weather,
};

/// Wall clock at the beginning of every run: a day in 2025, eight seconds before it ends.
pub const WALL_MS: u64 = 1_750_031_992_000;

/// Runs of mode `safety` that are about how runs end, of 1000.
const STORMS: u64 = 350;

pub(crate) const DAY_MS: u64 = 24 * 3_600_000;

/// Fewest and most nodes that a seed draws.
const NODES: (u64, u64) = (2, 7);

/// What a seed stands for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) mode: Mode,
    /// Nodes at the beginning.
    pub(crate) nodes: usize,
    /// Nodes that may start a cluster by themselves: the first ones.
    pub(crate) seeds: usize,
    pub(crate) weather: Weather,
    /// The faults that there may be.
    pub(crate) faults: Vec<FaultKind>,
    /// Mean time between two faults.
    pub(crate) fault_ms: u64,
    /// Mean time between two writes.
    pub(crate) write_ms: u64,
    /// How long the faults last.
    pub(crate) stormy_ms: u64,
    /// Longest time for which ways between machines are closed.
    pub(crate) partition_ms: u64,
    /// Most bytes of entries in a frame.
    pub(crate) frame_bytes: usize,
    /// Wall clocks minus the true one, by node.
    pub(crate) skews_ms: Vec<i64>,
    /// Time between two snapshots of a process; 0 if nodes have no disks.
    pub(crate) snapshot_ms: u64,
    /// Nodes that run the next version of the program.
    pub(crate) later: BTreeSet<usize>,
    /// A step that the oracle is not told of.
    pub(crate) hidden_step: Option<u64>,
    /// Transports that take a frame only every so many milliseconds, of 1000.
    pub(crate) slow: u64,
    /// How long a silent run is waited for until it may be ended.
    pub(crate) end_after_ms: u64,
    pub(crate) habits: Habits,
    /// What befalls the cluster in the place of faults, where the run is about how runs end.
    pub(crate) storm: Option<Storm>,
    /// Strangers, and what happens to the cluster's key; where there are none, the cluster has no key.
    pub(crate) identity: Option<IdentityPlan>,
    /// How versions of a model are rolled out, where the run is about that.
    pub(crate) rollouts: Option<RolloutRun>,
}

impl Plan {
    /// Nodes that are left alone in the end of a run for liveness: the first ones, more than half.
    pub(crate) fn core(&self) -> BTreeSet<usize> {
        (0..(self.nodes / 2 + 1).min(self.nodes)).collect()
    }

    /// Draws what the seed stands for; `nodes` fixes their number.
    pub(crate) fn draw(seed: u64, mode: Mode, nodes: Option<usize>) -> Self {
        let mut rng = Rng::new(seed, "plan");
        let drawn = rng.between(NODES.0, NODES.1).max(if mode == Mode::Safety { 2 } else { 4 });
        let nodes = nodes.unwrap_or(usize::try_from(drawn).unwrap_or(2));
        // Runs that have few kinds of faults go deeper into each (Groce et al., Swarm Testing, 2012).
        let share = rng.between(200, 900);
        let faults = FaultKind::of_mode(mode).iter().filter(|_| rng.chance(share)).copied().collect();
        let skew_most = if rng.chance(500) { rng.below(4_900) } else { 0 };
        let skews_ms = (0..64).map(|_| signed(rng.below(2 * skew_most + 1)) - signed(skew_most)).collect();
        let (end_after_ms, extra_ms) = ends(&mut Rng::new(seed, "ends"));
        let frame_bytes = [200, 600, 3_000, psi_replica::FRAME_BYTES_MAX];
        let mut plan = Self {
            seed,
            mode,
            nodes,
            seeds: 1 + usize::try_from(rng.below(nodes as u64)).unwrap_or(0),
            weather: Weather::draw(&mut rng),
            faults,
            fault_ms: rng.between(150, 2_500),
            write_ms: rng.between(15, 120),
            stormy_ms: rng.between(4_000, 16_000) + extra_ms,
            partition_ms: if extra_ms > 0 { 3 * end_after_ms } else { 8_000 },
            frame_bytes: *rng.pick(&frame_bytes).unwrap_or(&psi_replica::FRAME_BYTES_MAX),
            skews_ms,
            hidden_step: None,
            snapshot_ms: if rng.chance(600) { rng.between(500, 5_000) } else { 0 },
            later: if rng.chance(250) { (0..nodes + 3).filter(|_| rng.chance(400)).collect() } else { BTreeSet::new() },
            slow: if rng.chance(300) { rng.between(50, 400) } else { 0 },
            end_after_ms,
            habits: Habits::draw(&mut Rng::new(seed, "habits")),
            storm: None,
            identity: None,
            rollouts: None,
        };
        if plan.habits.is_streaming {
            // Long enough for a baseline, and for what differs from it.
            plan.stormy_ms = plan.stormy_ms.max(Rng::new(seed, "stream").between(20_000, 36_000));
            plan.write_ms = plan.write_ms.min(60);
        }
        if mode == Mode::Rollouts {
            return plan.with_rollouts(&mut Rng::new(seed, "rollout plan"));
        }
        if mode == Mode::Strangers {
            return plan.with_strangers(&mut Rng::new(seed, "strangers"));
        }
        let mut rng = Rng::new(seed, "storm");
        if mode == Mode::Safety && rng.chance(STORMS) { plan.with_storm(&mut rng) } else { plan }
    }

    /// The plan of a run that is about how runs end: few nodes and small fields for a long time.
    fn with_storm(self, rng: &mut Rng) -> Self {
        let storm = Storm::draw(rng);
        let nodes = self.nodes.min(usize::try_from(rng.between(3, 5)).unwrap_or(3));
        Self {
            nodes,
            seeds: if storm.apart_ms > 0 { nodes } else { self.seeds.clamp(1, nodes) },
            weather: Weather { corrupt: 0, oversized: 0, ..self.weather }.at_most(50, 100),
            write_ms: rng.between(100, 400),
            fault_ms: 1_000,
            faults: Vec::new(),
            stormy_ms: storm.lasts_ms,
            snapshot_ms: if rng.chance(750) || storm.severity != Severity::Beyond { 3_000 } else { 0 },
            skews_ms: self.skews_ms.iter().map(|skew_ms| skew_ms / 2).collect(),
            later: BTreeSet::new(),
            slow: 0,
            end_after_ms: storm.end_after_ms,
            habits: Habits { is_frugal: true, ..Habits::default() },
            storm: Some(storm),
            ..self
        }
    }

    /// The plan of a run about rollouts: few nodes, which write little else.
    fn with_rollouts(self, rng: &mut Rng) -> Self {
        let nodes = usize::try_from(rng.between(3, 5)).unwrap_or(3);
        Self {
            nodes,
            seeds: nodes.min(2),
            weather: Weather { corrupt: 0, oversized: 0, ..self.weather }.at_most(150, 600),
            write_ms: 1_500,
            stormy_ms: rng.between(11_000, 19_000),
            fault_ms: rng.between(400, 2_500),
            partition_ms: 5_000,
            frame_bytes: self.frame_bytes.max(600),
            snapshot_ms: rng.between(300, 1_500),
            // Windows are as short as can be, and agreed time moves by as much as clocks differ.
            skews_ms: self.skews_ms.iter().map(|skew_ms| skew_ms / 50).collect(),
            later: BTreeSet::new(),
            slow: 0,
            end_after_ms: DAY_MS,
            habits: Habits { is_frugal: true, ..Habits::default() },
            rollouts: Some(RolloutRun::draw(rng, nodes)),
            ..self
        }
    }

    /// The plan of a run with strangers. Its cluster has a key, so no frame is damaged that arrives.
    fn with_strangers(self, rng: &mut Rng) -> Self {
        let identity = IdentityPlan::draw(rng);
        let nodes = self.nodes.min(usize::try_from(rng.between(3, 5)).unwrap_or(3));
        let plan = Self {
            nodes,
            seeds: self.seeds.clamp(1, nodes),
            weather: Weather { corrupt: 0, oversized: 0, ..self.weather },
            write_ms: rng.between(60, 200),
            stormy_ms: rng.between(12_000, 18_000),
            partition_ms: 8_000,
            habits: Habits { is_frugal: rng.chance(700), is_streaming: false, batch: BATCH, ..self.habits },
            identity: Some(identity.clone()),
            ..self
        };
        if identity.has_faults {
            return plan;
        }
        // What TLS carries keeps its order.
        let weather = Weather { twice: 0, ordered: true, ..plan.weather }.at_most(0, 100);
        Self { weather, faults: Vec::new(), slow: 0, end_after_ms: DAY_MS, ..plan }
    }
}

/// How long silent runs are waited for: seconds in most runs, else a day. And how much longer the faults of some runs
/// last, so that partitions outlast that by far.
fn ends(rng: &mut Rng) -> (u64, u64) {
    let end_after_ms = *rng.pick(&[6_000, 6_000, 12_000, 30_000, DAY_MS]).unwrap_or(&DAY_MS);
    let extra_ms = if end_after_ms <= 12_000 && rng.chance(250) { 6 * end_after_ms } else { 0 };
    (end_after_ms, extra_ms)
}

/// A small number as one that can be negative.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
