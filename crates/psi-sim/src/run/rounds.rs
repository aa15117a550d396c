//! Rounds: what agreement is measured in.

/// How often agreement is looked for, and what a round is.
pub const ROUND_MS: u64 = 250;

/// What the core needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounds {
    /// When the rest was well.
    pub without_faults: u64,
    /// When the rest kept failing.
    pub with_faults: u64,
    /// Some node of the core was still joining when it was left alone.
    pub joining: bool,
}

impl Rounds {
    /// What a core may take while the rest fails: twice what it takes otherwise. To any, six rounds are granted: what it
    /// takes to ask a failing peer or two and then one that is well; and to those that are joining, the join time.
    #[must_use]
    pub fn limit(&self) -> u64 {
        const GRANTED: u64 = 6;
        const JOIN: u64 = 2_000 / ROUND_MS;
        2 * self.without_faults.max(GRANTED + if self.joining { JOIN } else { 0 })
    }
}
