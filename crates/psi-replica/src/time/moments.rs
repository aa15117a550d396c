//! Moments finer than a millisecond, their median, and how far they lie apart.

/// A moment in eighths of a millisecond, so that what goes at 7/8 or 3/4 of real speed makes whole steps: rounded down at
/// each step it would stand still, rounded up it would run away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Eighths(pub(super) u64);

impl Eighths {
    /// Of real speed: how a steady clock goes on where its wall clock is behind it.
    pub(super) const STEADY: u64 = 7;
    /// How hybrid time goes on where it is ahead of the steady clock.
    pub(super) const HYBRID: u64 = 6;

    pub(super) fn of(ms: u64) -> Self {
        Self(ms.saturating_mul(8))
    }

    pub(super) fn ms(self) -> u64 {
        self.0 / 8
    }

    /// This moment, and `elapsed_ms` later at so many eighths of real speed.
    pub(super) fn after(self, elapsed_ms: u64, speed: u64) -> Self {
        Self(self.0.saturating_add(elapsed_ms.saturating_mul(speed)))
    }

    pub(super) fn plus(self, ms: u64) -> Self {
        self.after(ms, 8)
    }
}

/// The middle of sorted values, or the lower of the two in the middle; `None` of none.
pub(super) fn lower_median(sorted: &[u64]) -> Option<u64> {
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// `a` minus `b`.
pub(super) fn difference(a: u64, b: u64) -> i64 {
    let apart = i64::try_from(a.abs_diff(b)).unwrap_or(i64::MAX);
    if a >= b { apart } else { -apart }
}
