//! Where the buckets of one column lie: around a center, in units of a power of two.
//!
//! All by shifts of integers. What the deviation is rounded down to is the unit.

use ethnum::U256;

use crate::fixed::FixedPoint;
use crate::moments::sums::{RAW_MAX, Sums};

/// Buckets of a column: within two units of the center a quarter of one wide, then four an octave up to 512 units; the
/// outermost are open.
pub const COLUMN_BUCKETS: usize = 80;

/// Buckets on each side of the center.
const SIDE: usize = COLUMN_BUCKETS / 2;
/// Each unit is cut into so many buckets near the center, as a power of two.
const PART_BITS: u32 = 2;
/// From so many parts of a unit on, buckets grow with the distance: four an octave.
const EVEN_PARTS: u64 = NARROW as u64;
/// Buckets on each side that are one part wide.
const NARROW: usize = 8;
/// What lies at so many parts of a unit or beyond is in the last bucket.
const PARTS_MAX: u64 = 2047;
/// The least unit, as a power of two.
const UNIT_BITS_MIN: u32 = 4;
/// The greatest unit.
const RAW_BITS: u32 = u128::BITS - RAW_MAX.leading_zeros();
/// Distances that pairs are made of are in 256ths of a unit.
const Z_BITS: u32 = 8;
/// The greatest of them that counts: 50 units.
const Z_LIMIT: i32 = 50 << Z_BITS;
/// A unit is at least the center shifted by this: else the rounding of the inputs would show.
const CENTER_SHIFT: u32 = 20;

/// A column of the input, or two that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// One, from 0.
    Single(usize),
    /// How far apart two are, from 0.
    Pair(usize, usize),
}

/// Where the buckets of one column lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnAnchor {
    /// The center, as [`FixedPoint::raw`].
    pub center: i128,
    /// The unit of distance is 2 to this: the deviation, rounded down.
    pub unit_bits: u32,
}

impl ColumnAnchor {
    /// Buckets around the mean of some inputs, as wide as these were spread.
    pub(super) fn of(sums: Sums, count: u64) -> Self {
        let center = sums.sum.div_euclid(i128::from(count));
        // Its root has half as many bits.
        let variance = sums.spread(count) / (U256::from(count) * U256::from(count));
        let root_bits = bits(variance.into_words()).saturating_sub(1) / 2;
        let size_bits = bits((0, center.unsigned_abs() >> CENTER_SHIFT)).saturating_sub(1);
        Self { center, unit_bits: root_bits.max(size_bits).max(UNIT_BITS_MIN) }
    }

    /// Buckets for numbers around `center` that deviate so much.
    pub(super) fn around(center: i128, deviation: u128) -> Self {
        Self { center, unit_bits: deviation.max(1 << PART_BITS).ilog2() }
    }

    /// Whether some inputs could have their buckets there.
    pub(super) fn is_possible(self) -> bool {
        let bits = PART_BITS..=RAW_BITS;
        self.center.unsigned_abs() <= RAW_MAX && bits.contains(&self.unit_bits)
    }

    /// Whether a bucket is one of those near the center, a quarter of a unit wide.
    #[must_use]
    pub const fn is_narrow(bucket: usize) -> bool {
        SIDE - NARROW <= bucket && bucket < SIDE + NARROW
    }

    /// The bucket of a value, from 0 for the least.
    #[inline]
    #[must_use]
    pub fn bucket(self, value: i128) -> usize {
        let distance = value - self.center;
        let parts = (distance.unsigned_abs() >> (self.unit_bits - PART_BITS)).min(PARTS_MAX.into());
        side(bucket_of(u64::try_from(parts).unwrap_or(PARTS_MAX)), distance < 0)
    }

    /// The bucket of a value, and how many units it lies off the center, times 256, at most 50 units.
    #[inline]
    pub(super) fn placed(self, value: FixedPoint) -> (usize, i32) {
        let distance = value.raw() - self.center;
        // Mostly the distance fits 64 bits, of which shifts are cheap.
        let small = u64::try_from(distance.unsigned_abs()).ok().zip(self.unit_bits.checked_sub(Z_BITS));
        let Some((size, shift)) = small.filter(|(_, shift)| *shift < u64::BITS) else {
            return (self.bucket(value.raw()), self.z(value));
        };
        let is_below = distance < 0;
        let parts = size >> shift;
        let index = bucket_of((parts >> (Z_BITS - PART_BITS)).min(PARTS_MAX));
        // Below the center, the shift of a distance rounds away from it.
        let rest = u64::from(is_below && parts << shift != size);
        let z = i32::try_from((parts + rest).min(Z_LIMIT.unsigned_abs().into())).unwrap_or(Z_LIMIT);
        (side(index, is_below), if is_below { -z } else { z })
    }

    /// How many units a value lies off the center, times 256, at most 50 units.
    pub(super) fn z(self, value: FixedPoint) -> i32 {
        let distance = value.raw() - self.center;
        let z = match self.unit_bits.checked_sub(Z_BITS) {
            Some(shift) => distance >> shift,
            None => distance.saturating_mul(1 << (Z_BITS - self.unit_bits)),
        };
        let limit = i128::from(Z_LIMIT);
        i32::try_from(z.clamp(-limit, limit)).unwrap_or(Z_LIMIT)
    }

    /// [`Self::bucket`] of a small number around a small center.
    #[inline]
    pub(super) fn bucket_of_small(self, value: i64) -> usize {
        let Ok(center) = i64::try_from(self.center) else { return self.bucket(value.into()) };
        let (distance, is_below) = (value.abs_diff(center), value < center);
        let parts = distance.checked_shr(self.unit_bits - PART_BITS).unwrap_or(0);
        side(bucket_of(parts.min(PARTS_MAX)), is_below)
    }
}

/// The bucket on its side of what lies so many parts of a unit off the center.
#[inline]
fn bucket_of(parts: u64) -> usize {
    let index = if parts < EVEN_PARTS {
        parts
    } else {
        let octave = parts.ilog2();
        let of_octave = (parts >> (octave - PART_BITS)) - 4;
        EVEN_PARTS + u64::from(4 * (octave - EVEN_PARTS.ilog2())) + of_octave
    };
    usize::try_from(index).unwrap_or(SIDE - 1)
}

#[inline]
fn side(index: usize, is_below: bool) -> usize {
    if is_below { SIDE - 1 - index } else { SIDE + index }
}

/// The number of bits of a number in two words.
fn bits((high, low): (u128, u128)) -> u32 {
    if high > 0 { 2 * u128::BITS - high.leading_zeros() } else { u128::BITS - low.leading_zeros() }
}
