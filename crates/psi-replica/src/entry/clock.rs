//! Hybrid logical clocks (Kulkarni et al., 2014): time as an argument, order as a value.

use crate::proto;

/// Milliseconds of the caller's monotonic clock; not wall time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TickMs(pub u64);

impl TickMs {
    /// This moment and `ms` more.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; 0 if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since the Unix epoch by the caller's wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallMs(pub u64);

/// The moment at which something is handed in: for time-outs the tick, for order the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic.
    pub tick: TickMs,
    /// Wall clock.
    pub wall: WallMs,
}

/// Hybrid logical time. Ties between origins are broken by the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clock {
    /// Milliseconds since the Unix epoch.
    pub wall_ms: u64,
    /// Orders what falls into one millisecond.
    pub counter: u32,
}

impl Clock {
    /// Seconds since the Unix epoch: the metric window's bucket.
    #[must_use]
    pub fn second(self) -> u64 {
        self.wall_ms / 1000
    }
}

impl From<Clock> for proto::Clock {
    fn from(clock: Clock) -> Self {
        Self { wall_ms: clock.wall_ms, counter: clock.counter }
    }
}

impl From<proto::Clock> for Clock {
    fn from(clock: proto::Clock) -> Self {
        Self { wall_ms: clock.wall_ms, counter: clock.counter }
    }
}

/// The clock of one replica: never behind the wall, never behind anything it has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct HybridClock {
    latest: Clock,
}

impl HybridClock {
    /// A clock greater than any given out or seen before.
    pub fn tick(&mut self, wall: WallMs) -> Clock {
        self.latest = if wall.0 > self.latest.wall_ms {
            Clock { wall_ms: wall.0, counter: 0 }
        } else {
            match self.latest.counter.checked_add(1) {
                Some(counter) => Clock { counter, ..self.latest },
                None => Clock { wall_ms: self.latest.wall_ms.saturating_add(1), counter: 0 },
            }
        };
        self.latest
    }

    /// The greatest clock given out or seen.
    #[must_use]
    pub fn latest(&self) -> Clock {
        self.latest
    }

    /// Takes note of a clock that another origin gave out.
    pub fn observe(&mut self, seen: Clock) {
        self.latest = self.latest.max(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_rise_though_the_wall_stands_or_falls_back() {
        let mut clock = HybridClock::default();
        let mut previous = Clock::default();
        for wall in [5, 5, 3, 6, 0, 6] {
            let next = clock.tick(WallMs(wall));
            assert!(next > previous, "{next:?} after {previous:?}");
            previous = next;
        }
        clock.observe(Clock { wall_ms: 1_000, counter: u32::MAX });
        assert_eq!(clock.tick(WallMs(7)), Clock { wall_ms: 1_001, counter: 0 });
    }
}
