//! What an entry is about: field, epoch, lane, index.

use std::fmt;

use crate::{name::FieldName, proto};

/// A generation of a field. Entries of older epochs do not count.
///
/// The upper 44 bits are the wall clock in milliseconds at which the epoch was raised, the lower 20 are drawn
/// from what is fixed within an epoch (engine, width, scale, seed). So two nodes that change a field at once
/// agree on the later change, and those that change it alike in the same millisecond share the epoch.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

const SHAPE_BITS: u32 = 20;

impl Epoch {
    /// The epoch of a field before anybody wrote a spec for it: only `default` has one then.
    pub const IMPLICIT: Self = Self(0);

    /// The epoch that follows `self` when a field takes the given shape at `wall_ms`.
    #[must_use]
    pub(crate) fn raised(self, wall_ms: u64, shape: u64) -> Self {
        let shape = shape & ((1 << SHAPE_BITS) - 1);
        let wall_ms = wall_ms.min((u64::MAX >> SHAPE_BITS) - 1);
        let at_clock = (wall_ms << SHAPE_BITS) | shape;
        if at_clock > self.0 {
            return Self(at_clock);
        }
        Self((((self.0 >> SHAPE_BITS).saturating_add(1)) << SHAPE_BITS) | shape)
    }

    /// What was drawn from the shape.
    pub(crate) fn shape_bits(self) -> u64 {
        self.0 & ((1 << SHAPE_BITS) - 1)
    }

    /// The wall clock at which the epoch was raised, milliseconds since the Unix epoch.
    #[must_use]
    pub fn wall_ms(self) -> u64 {
        self.0 >> SHAPE_BITS
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What an entry holds, by the number in `entry.proto`; numbers that this build does not know are carried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub u32);

impl Lane {
    /// The field's engine, shape and parameters.
    pub const SPEC: Self = Self(proto::Lane::Spec as u32);
    /// Exact moments of the inputs, 512 dimensions an entry.
    pub const MOMENTS: Self = Self(proto::Lane::Moments as u32);
    /// Exact moments of the metrics, one entry a second.
    pub const WINDOWS: Self = Self(proto::Lane::Windows as u32);
    /// The latest step.
    pub const RECENT: Self = Self(proto::Lane::Recent as u32);
    /// Interventions, the last 64.
    pub const INTERVENTIONS: Self = Self(proto::Lane::Interventions as u32);
    /// Marks all older epochs of the field as removed by their origin.
    pub const TOMBSTONE: Self = Self(proto::Lane::Tombstone as u32);
    /// What the guardian has seen: 200 samples, 8 an entry.
    pub const HISTORY: Self = Self(proto::Lane::History as u32);
    /// The guardian's latest threat, and what it did long ago.
    pub const GUARDIAN: Self = Self(proto::Lane::Guardian as u32);
    /// Exact sums of engine `core`.
    pub const TALLY: Self = Self(proto::Lane::Tally as u32);
    /// The transition of engine `core`, 8,000 numbers an entry.
    pub const THETA: Self = Self(proto::Lane::Theta as u32);
    /// The latest latents of engine `core`.
    pub const LATENTS: Self = Self(proto::Lane::Latents as u32);
    /// The working memory of engine `core`.
    pub const WORKING: Self = Self(proto::Lane::Working as u32);
    /// The episodic memory of engine `core`.
    pub const EPISODIC: Self = Self(proto::Lane::Episodic as u32);
    /// The last lane that this version knows.
    pub(crate) const LAST: Self = Self::EPISODIC;
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match proto::Lane::try_from(i32::try_from(self.0).unwrap_or(-1)) {
            Ok(lane) => f.write_str(lane.as_str_name()),
            Err(_) => write!(f, "lane {}", self.0),
        }
    }
}

/// Names one entry of an origin. Ordered so that a field's entries lie together, epoch by epoch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The field.
    pub field: FieldName,
    /// Its epoch.
    pub epoch: Epoch,
    /// What the entry holds.
    pub lane: Lane,
    /// Position within the lane.
    pub index: u64,
}

impl Key {
    /// The first key that the field can have in `epoch`.
    pub(crate) fn first(field: &FieldName, epoch: Epoch) -> Self {
        Self { field: field.clone(), epoch, lane: Lane(0), index: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_always_rises_and_settles_by_clock() {
        let first = Epoch::IMPLICIT.raised(1_000, 7);
        for (clock, shape) in [(1_000, 7), (1_000, 0), (999, 9), (0, 0), (5_000, 0), (u64::MAX, 1)] {
            assert!(first.raised(clock, shape) > first, "{clock} {shape}");
        }
        assert!(first.raised(2_000, 0) < first.raised(2_001, 0), "the later change wins");
        assert_eq!(first.raised(2_000, 3), first.raised(2_000, 3), "alike changes share it");
    }
}
