//! Σx and Σx² of one dimension, and what must hold of them.
//!
//! Counts are not held here: one count serves all dimensions of a vector, see [`crate::Moments`].

use ethnum::U256;

use crate::fixed::FixedPoint;

/// The greatest size of a raw input.
pub(crate) const RAW_MAX: u128 = (1 << 80) - 1;

/// Σx in units of 2^-56 scales and Σx² in units of 2^-112 squared scales.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) sum: i128,
    pub(crate) squares: U256,
}

/// Why a count, Σx and Σx² cannot come from any inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SumsFault {
    /// The count is 0, but a sum is not.
    #[error("sums without a count")]
    SumsWithoutCount,
    /// |Σx| > n·(2^80 − 1): some input would have been out of range.
    #[error("Σx is larger than the count allows")]
    SumTooLarge,
    /// Σx² > n·(2^80 − 1)²: some input would have been out of range.
    #[error("Σx² is larger than the count allows")]
    SquaresTooLarge,
    /// n·Σx² < (Σx)²: the variance would be negative.
    #[error("n·Σx² is less than (Σx)²")]
    SquaresTooSmall,
}

impl Sums {
    /// Adds one input; the caller keeps the count below its limit, so nothing overflows.
    #[inline]
    pub(crate) fn add(&mut self, input: FixedPoint) {
        let raw = input.raw();
        self.sum = self.sum.wrapping_add(raw);
        let Ok(ordinary) = i64::try_from(raw) else {
            self.squares = self.squares.wrapping_add(square(raw.unsigned_abs()));
            return;
        };
        let size = u128::from(ordinary.unsigned_abs());
        let (low, carries) = self.squares.low().overflowing_add(size * size);
        *self.squares.low_mut() = low;
        // So seldom that the upper half is mostly left alone.
        if carries {
            *self.squares.high_mut() += 1;
        }
    }

    /// Adds modulo 2^128 and 2^256; exact whenever the result is in range.
    pub(crate) fn wrapping_add(self, other: Self) -> Self {
        Self { sum: self.sum.wrapping_add(other.sum), squares: self.squares.wrapping_add(other.squares) }
    }

    /// Subtracts modulo 2^128 and 2^256; undoes [`Self::wrapping_add`].
    pub(crate) fn wrapping_sub(self, other: Self) -> Self {
        Self { sum: self.sum.wrapping_sub(other.sum), squares: self.squares.wrapping_sub(other.squares) }
    }

    /// Checks that `count` inputs could have these sums; `count` is below [`crate::COUNT_LIMIT`].
    pub(crate) fn check(self, count: u64) -> Result<(), SumsFault> {
        let count = u128::from(count);
        if count == 0 {
            return if self == Self::default() { Ok(()) } else { Err(SumsFault::SumsWithoutCount) };
        }
        if self.sum.unsigned_abs() > count * RAW_MAX {
            return Err(SumsFault::SumTooLarge);
        }
        if self.squares > U256::from(count) * square(RAW_MAX) {
            return Err(SumsFault::SquaresTooLarge);
        }
        if U256::from(count) * self.squares < square(self.sum.unsigned_abs()) {
            return Err(SumsFault::SquaresTooSmall);
        }
        Ok(())
    }

    /// [`Self::spread`], unless these are the sums of no inputs.
    pub(crate) fn checked_spread(self, count: u64) -> Option<U256> {
        times(self.squares, count)?.checked_sub(square(self.sum.unsigned_abs()))
    }

    /// n·Σx² − (Σx)², that is n(n−1) times the sample variance; below 2^254.
    pub(crate) fn spread(self, count: u64) -> U256 {
        U256::from(count) * self.squares - square(self.sum.unsigned_abs())
    }
}

/// `size`². For what an input of ordinary size comes to (below 256 scales) one multiplication is enough, and three for
/// the rest, where the product of two 256-bit integers takes six.
#[inline]
fn square(size: u128) -> U256 {
    const HALF: u32 = u64::BITS;
    if let Ok(small) = u64::try_from(size) {
        return U256::from(u128::from(small) * u128::from(small));
    }
    let (high, low) = (size >> HALF, size & u128::from(u64::MAX));
    let between = high * low;
    // 2·high·low begins one bit above the middle of the two squares.
    let shifted = U256::from_words(between >> (HALF - 1), between << (HALF + 1));
    U256::from_words(high * high, low * low) + shifted
}

/// `value` · `factor`; `None` beyond 256 bits.
fn times(value: U256, factor: u64) -> Option<U256> {
    const HALF: u32 = u64::BITS;
    let ((high, low), factor) = (value.into_words(), u128::from(factor));
    let lowest = (low & u128::from(u64::MAX)) * factor;
    let middle = (low >> HALF) * factor + (lowest >> HALF);
    let high = high.checked_mul(factor)?.checked_add(middle >> HALF)?;
    Some(U256::from_words(high, middle << HALF | lowest & u128::from(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_on_both_paths_agree() {
        for bits in 0..127 {
            for size in [1u128 << bits, (1 << bits) + 1, (2 << bits) - 1] {
                assert_eq!(square(size), U256::from(size) * U256::from(size), "{size}");
            }
        }
        assert_eq!(square(u128::MAX), U256::from(u128::MAX) * U256::from(u128::MAX));
    }

    #[test]
    fn products_are_those_of_256_bits_and_end_there() {
        for bits in 0..256 {
            for value in [U256::ONE << bits, (U256::ONE << bits) - U256::ONE, U256::MAX >> bits] {
                for factor in [0, 1, 3, (1 << 47) - 1, 1 << 63, u64::MAX] {
                    assert_eq!(times(value, factor), value.checked_mul(factor.into()), "{value} · {factor}");
                }
            }
        }
    }

    #[test]
    fn each_fault_starts_right_after_the_last_possible_sums() {
        let sums = |sum, squares| Sums { sum, squares };
        let raw_max = RAW_MAX.cast_signed();
        let square_max = square(RAW_MAX);
        for (count, sums, want) in [
            (0, sums(0, U256::ZERO), Ok(())),
            (0, sums(1, U256::ONE), Err(SumsFault::SumsWithoutCount)),
            (0, sums(0, U256::ONE), Err(SumsFault::SumsWithoutCount)),
            (1, sums(raw_max, square_max), Ok(())),
            (1, sums(-raw_max, square_max), Ok(())),
            (1, sums(raw_max + 1, square_max), Err(SumsFault::SumTooLarge)),
            (1, sums(i128::MIN, square_max), Err(SumsFault::SumTooLarge)),
            (2, sums(0, square_max * 2), Ok(())),
            (2, sums(0, square_max * 2 + 1), Err(SumsFault::SquaresTooLarge)),
            (2, sums(0, U256::MAX), Err(SumsFault::SquaresTooLarge)),
            (3, sums(3, U256::new(3)), Ok(())),
            (3, sums(3, U256::new(2)), Err(SumsFault::SquaresTooSmall)),
        ] {
            assert_eq!(sums.check(count), want, "{count} {sums:?}");
        }
    }
}
