//! What whole worlds of machines are made of in tests: a state of one entry a run, clocks that are off, and links.

pub mod links;
pub mod shares;

use psi_replica::{Now, TickMs, WallMs};

/// The true time at which a world begins.
pub const WALL_MS: u64 = 1_750_000_000_000;

/// What the clocks of a process show that runs for `up_ms`, on a machine whose wall clock is off by `error_ms`, when a
/// world is `now_ms` old.
pub fn moment(now_ms: u64, up_ms: u64, error_ms: i64) -> Now {
    Now { tick: TickMs(up_ms), wall: WallMs((WALL_MS + now_ms).saturating_add_signed(error_ms)) }
}
