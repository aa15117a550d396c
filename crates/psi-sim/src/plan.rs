//! What a seed stands for: how many nodes there are, what may go wrong in its run and how often.

use std::collections::BTreeSet;

use crate::{faults::FaultKind, rng::Rng, workload::BATCH};

/// Wall clock at the beginning of every run: some day in 2025.
pub const WALL_MS: u64 = 1_750_000_000_000;

/// Fewest and most nodes that a seed draws.
const NODES: (u64, u64) = (2, 7);

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Faults throughout, then quiet: all must agree.
    Safety,
    /// A core is left alone while the rest keeps failing: the core must agree soon.
    Liveness,
    /// Clocks jump by hours: refused as documented, and agreement afterwards.
    Clocks,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Safety, Self::Liveness, Self::Clocks];

    /// As it is asked for.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Liveness => "liveness",
            Self::Clocks => "clocks",
        }
    }

    /// The mode of a seed where none is asked for: most look for lost agreement.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        match seed % 10 {
            8 => Self::Liveness,
            9 => Self::Clocks,
            _ => Self::Safety,
        }
    }
}

/// What the network does to frames; chances are of 1000.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) twice: u64,
    /// Longest delay of a frame. Delays differ, so frames overtake each other unless `ordered`.
    pub(crate) delay_ms: u64,
    /// Frames of a link keep their order, as on a connection.
    pub(crate) ordered: bool,
    /// Frames of which bits are turned, of 100,000: a connection has checksums.
    pub(crate) corrupt: u64,
    /// Frames that are blown up beyond the limit, of 100,000.
    pub(crate) oversized: u64,
}

impl Weather {
    /// Nothing goes wrong.
    pub(crate) const FAIR: Self = Self { loss: 0, twice: 0, delay_ms: 3, ordered: true, corrupt: 0, oversized: 0 };

    fn draw(rng: &mut Rng) -> Self {
        let or_none = |rng: &mut Rng, most: u64| if rng.chance(300) { 0 } else { rng.below(most + 1) };
        let delay_ms = match rng.below(10) {
            0..6 => rng.below(60),
            6..9 => rng.below(600),
            _ => rng.below(5_001),
        };
        Self {
            loss: or_none(rng, 300),
            twice: or_none(rng, 500),
            delay_ms,
            ordered: rng.chance(400),
            corrupt: if rng.chance(250) { rng.between(20, 400) } else { 0 },
            oversized: if rng.chance(120) { 30 } else { 0 },
        }
    }
}

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
    /// Most bytes of entries in a frame.
    pub(crate) frame_bytes: usize,
    /// Wall clocks less the true one, by node.
    pub(crate) skews_ms: Vec<i64>,
    /// Time between two snapshots of a process; 0 if nodes have no disks.
    pub(crate) snapshot_ms: u64,
    /// Nodes that run the next version of the program.
    pub(crate) later: BTreeSet<usize>,
    /// A step that the oracle is not told of.
    pub(crate) hidden_step: Option<u64>,
    /// Transports that take a frame only every so many milliseconds, of 1000.
    pub(crate) slow: u64,
    pub(crate) habits: Habits,
}

/// What clients are given to, beside writing; chances are of 1000.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    /// Fields that they set up to learn.
    pub(crate) core: u64,
    /// Fields in which they let the guardian intervene.
    pub(crate) guarded: u64,
    /// The field that they mostly write to and hardly ever reset, by its place among theirs.
    pub(crate) steady: Option<usize>,
    /// Most steps in a batch.
    pub(crate) batch: u64,
}

impl Habits {
    fn draw(rng: &mut Rng) -> Self {
        let core = if rng.chance(350) { rng.between(300, 900) } else { 0 };
        let steady = rng.chance(300).then(|| usize::try_from(rng.between(1, 3)).unwrap_or(1));
        let batch = if steady.is_some() && rng.chance(700) { rng.between(8, 30) } else { BATCH };
        Self { core, guarded: rng.between(0, 900), steady, batch }
    }
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
        let frame_bytes = [200, 600, 3_000, psi_replica::FRAME_BYTES_MAX];
        Self {
            seed,
            mode,
            nodes,
            seeds: 1 + usize::try_from(rng.below(nodes as u64)).unwrap_or(0),
            weather: Weather::draw(&mut rng),
            faults,
            fault_ms: rng.between(150, 2_500),
            write_ms: rng.between(15, 120),
            stormy_ms: rng.between(4_000, 16_000),
            frame_bytes: *rng.pick(&frame_bytes).unwrap_or(&psi_replica::FRAME_BYTES_MAX),
            skews_ms,
            hidden_step: None,
            snapshot_ms: if rng.chance(600) { rng.between(500, 5_000) } else { 0 },
            later: if rng.chance(250) { (0..nodes + 3).filter(|_| rng.chance(400)).collect() } else { BTreeSet::new() },
            slow: if rng.chance(300) { rng.between(50, 400) } else { 0 },
            habits: Habits::draw(&mut Rng::new(seed, "habits")),
        }
    }
}

/// A small number as one that can be negative.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
