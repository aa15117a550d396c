//! Whether this node's wall clock can be trusted: judged by the clocks that peers show on their links.

use crate::entry::clock::WallMs;

/// A node that differs from more than half of all members by more than this takes no writes.
pub const SKEW_MS_MAX: u64 = 10_000;
/// A delta that holds clocks further ahead of the members' median than this is postponed.
pub const AHEAD_MS_MAX: u64 = 60_000;

/// How the peers' clocks stand against this node's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skew {
    /// Peer's clock less this node's, milliseconds, sorted, this node's own 0 among them.
    offsets: Vec<i64>,
}

impl Skew {
    pub(crate) fn of(peers: impl Iterator<Item = i64>) -> Self {
        let mut offsets: Vec<i64> = peers.chain([0]).collect();
        offsets.sort_unstable();
        Self { offsets }
    }

    /// The median of all members' clocks less this node's own, milliseconds.
    pub(crate) fn median_ms(&self) -> i64 {
        let middle = self.offsets.len().saturating_sub(1) / 2;
        self.offsets.get(middle).copied().unwrap_or(0)
    }

    /// Whether this node is the one that is off: it differs from more than half of all members.
    pub(crate) fn is_off(&self) -> bool {
        let far = self.offsets.iter().filter(|offset| offset.unsigned_abs() > SKEW_MS_MAX).count();
        2 * far > self.offsets.len()
    }

    /// The members' median clock now.
    pub(crate) fn cluster_wall(&self, wall: WallMs) -> WallMs {
        WallMs(wall.0.saturating_add_signed(self.median_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odd_one_out_is_off_and_the_majority_is_not() {
        let day = 86_400_000;
        for (peers, off) in [
            (vec![], false),
            (vec![day], false), // one against one: nobody can tell
            (vec![day, 5], false),
            (vec![day, day], true),
            (vec![-day, -day + 3, 0], false),
            (vec![9_000, 9_999], false),
            (vec![10_001, 10_001], true),
        ] {
            assert_eq!(Skew::of(peers.iter().copied()).is_off(), off, "{peers:?}");
        }
    }
}
