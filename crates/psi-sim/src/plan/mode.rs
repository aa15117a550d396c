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
