//! The clock of leases.

/// Milliseconds of `CLOCK_BOOTTIME`, or of a clock that goes on just so while the machine sleeps.
///
/// Times of two machines, or of two boots of one, are never compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(pub u64);

impl BootTime {
    /// So many milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// How many milliseconds are left until a later time; 0 once it has come.
    #[must_use]
    pub fn ms_until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }
}
