//! What a run is about.

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Faults throughout, then quiet: all must agree.
    Safety,
    /// A core is left alone while the rest keeps failing: the core must agree soon.
    Liveness,
    /// Clocks jump by hours: refused as documented, and agreement afterwards.
    Clocks,
    /// Processes that are not of the cluster try to be, and its key is changed.
    Strangers,
    /// Versions of a model are rolled out: no node may show what the others do not, or go on without a majority.
    Rollouts,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Safety, Self::Liveness, Self::Clocks, Self::Strangers, Self::Rollouts];

    /// Whether clocks jump in its runs.
    pub(crate) fn has_clock_jumps(self) -> bool {
        matches!(self, Self::Clocks | Self::Rollouts)
    }

    /// As it is asked for.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Liveness => "liveness",
            Self::Clocks => "clocks",
            Self::Strangers => "strangers",
            Self::Rollouts => "rollouts",
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

    /// What sweeps of all modes run of a seed: its mode, and of some seeds strangers and rollouts as well.
    #[must_use]
    pub fn all_of_seed(seed: u64) -> Vec<Self> {
        const STRANGERS_EVERY: u64 = 10;
        const ROLLOUTS_EVERY: u64 = 2;
        let strangers = seed.is_multiple_of(STRANGERS_EVERY).then_some(Self::Strangers);
        let rollouts = (seed % ROLLOUTS_EVERY == 1).then_some(Self::Rollouts);
        [Self::of_seed(seed)].into_iter().chain(strangers).chain(rollouts).collect()
    }
}
