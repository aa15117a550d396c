//! The spans of time that inputs are counted by.

/// Spans of one length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// Seconds in a span.
    pub(crate) seconds: u64,
    /// How many of the latest an origin keeps. At most [`INDEXES`].
    pub(crate) kept: u64,
    /// An origin writes its latest span once in so many seconds. They divide the span.
    pub(crate) written_every: u64,
    /// So many of them must hold inputs to become the baseline by themselves.
    pub(crate) automatic_min: u64,
}

/// Seconds, minutes, hours and days.
pub(crate) const LEVELS: [Level; 4] = [
    Level { seconds: 1, kept: 32, written_every: 1, automatic_min: 24 },
    Level { seconds: 60, kept: 40, written_every: 10, automatic_min: 24 },
    Level { seconds: 3600, kept: 24, written_every: 60, automatic_min: 20 },
    Level { seconds: 86_400, kept: 16, written_every: 3600, automatic_min: 8 },
];

/// Indexes of a lane that one level has.
pub(crate) const INDEXES: u64 = 64;

/// A span of time: its level, and its number since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) level: usize,
    pub(crate) number: u64,
}

/// So many seconds after a span has ended, each origin has written what it counted in it.
const SETTLED_AFTER: u64 = 2;

impl Level {
    /// The first span that may still be written to, where the latest step is of `last_second`: all before it are settled.
    pub(crate) fn unsettled(&self, last_second: u64) -> u64 {
        last_second.saturating_sub(SETTLED_AFTER) / self.seconds
    }
}

impl Span {
    /// The span of a level that a second is in.
    pub(crate) fn of(level: usize, second: u64) -> Self {
        Self { level, number: second / LEVELS[level].seconds }
    }

    /// Where its origin keeps it.
    pub(crate) fn index(self) -> u64 {
        self.level as u64 * INDEXES + self.number % LEVELS[self.level].kept
    }

    /// Its last second.
    pub(crate) fn last_second(self) -> u64 {
        let seconds = LEVELS[self.level].seconds;
        self.number.saturating_mul(seconds).saturating_add(seconds - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_stands_where_its_number_says() {
        for (level, of) in LEVELS.iter().enumerate() {
            assert!(of.kept <= INDEXES && of.seconds % of.written_every == 0, "{of:?}");
            for second in [0, 59, 3600, 1_764_416_645] {
                let span = Span::of(level, second);
                assert!(span.index() / INDEXES == level as u64, "{span:?}");
                assert!(span.last_second() >= second && span.last_second() - second < of.seconds);
            }
        }
    }
}
