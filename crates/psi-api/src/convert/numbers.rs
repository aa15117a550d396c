//! Numbers and times in messages.

use psi_replica::Clock;

/// A hybrid clock as wall time; the counter orders what falls into one millisecond and is left out.
#[must_use]
pub fn timestamp(clock: Clock) -> prost_types::Timestamp {
    let seconds = i64::try_from(clock.wall_ms / 1000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(clock.wall_ms % 1000).unwrap_or(0) * 1_000_000;
    prost_types::Timestamp { seconds, nanos }
}

/// A count that is bounded far below the limit.
pub(super) fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
