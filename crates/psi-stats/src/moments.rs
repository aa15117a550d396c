//! Count, Σx and Σx² of a set of vectors, exactly.
//!
//! Sets merge and subtract without rounding, so the result depends on which inputs were added, never on the order or the
//! grouping. The scale of the inputs is left to the caller, and how the sums look as bytes to `encode.rs`.

pub(crate) mod sums;
pub(crate) mod totals;

use std::ops::Range;

use ethnum::U256;

use crate::fixed::{FRACTION_BITS, FixedPoint};
use crate::readout::Truncation;
use crate::scale::Scale;
use sums::{Sums, SumsFault};

/// Counts stay below this, so that n·Σx² fits 255 bits.
pub const COUNT_LIMIT: u64 = 1 << 47;

/// Exact moments of vectors of one width: their count, and per dimension Σx and Σx².
///
/// The sums are always ones that some inputs could have; only [`Moments::decode`], [`Moments::subtract`] and
/// [`crate::Totals::moments`] have to check that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moments {
    pub(crate) count: u64,
    pub(crate) sums: Vec<Sums>,
}

/// Why sums were not changed, or could not be read; what was to change is untouched in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MomentsError {
    /// The vector or the other sums have another width.
    #[error("width {got} does not match width {want}")]
    WidthMismatch {
        /// Width of the argument.
        got: usize,
        /// Width of what it was to go into.
        want: usize,
    },
    /// The count would not stay below [`COUNT_LIMIT`].
    #[error("a count of {count} is not below the limit of {COUNT_LIMIT}")]
    CountLimit {
        /// The count that was refused.
        count: u128,
    },
    /// More inputs were to be taken out than there are.
    #[error("cannot take {taken} inputs out of {count}")]
    CountUnderflow {
        /// Inputs there are.
        count: u64,
        /// Inputs to be taken out.
        taken: u64,
    },
    /// A sum of squares was to become negative, so what was to be taken out is not contained.
    #[error("dimension {dimension}: cannot take more from Σx² than there is")]
    SquaresUnderflow {
        /// Index of the dimension, from 0.
        dimension: usize,
    },
    /// The result is not the moments of any inputs, so something was taken out that is not contained.
    #[error("dimension {dimension}: {fault}")]
    Impossible {
        /// Index of the dimension, from 0.
        dimension: usize,
        /// What cannot be.
        fault: SumsFault,
    },
    /// A window's slot already holds a later second.
    #[error("second {second} is older than second {held}, which its slot holds")]
    OlderThanBucket {
        /// Second of the record.
        second: u64,
        /// Second that the slot holds.
        held: u64,
    },
}

impl Moments {
    /// The moments of no vectors of `width` dimensions.
    pub fn new(width: usize) -> Self {
        Self { count: 0, sums: vec![Sums::default(); width] }
    }

    /// Moments that pass all checks, or the reason why they don't.
    pub(crate) fn checked(count: u128, sums: Vec<Sums>) -> Result<Self, MomentsError> {
        let count = below_limit(count)?;
        for (dimension, sums) in sums.iter().enumerate() {
            sums.check(count).map_err(|fault| MomentsError::Impossible { dimension, fault })?;
        }
        Ok(Self { count, sums })
    }

    /// The number of dimensions.
    pub fn width(&self) -> usize {
        self.sums.len()
    }

    /// The number of vectors.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether these are the moments of no vectors.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds one vector.
    ///
    /// # Errors
    /// [`MomentsError::WidthMismatch`] or [`MomentsError::CountLimit`]; nothing has changed then.
    pub fn add(&mut self, input: &[FixedPoint]) -> Result<(), MomentsError> {
        same_width(input.len(), self.width())?;
        self.count = below_limit(u128::from(self.count) + 1)?;
        for (sums, &component) in self.sums.iter_mut().zip(input) {
            sums.add(component);
        }
        Ok(())
    }

    /// Adds all vectors of `other`.
    ///
    /// # Errors
    /// [`MomentsError::WidthMismatch`] or [`MomentsError::CountLimit`]; nothing has changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), MomentsError> {
        same_width(other.width(), self.width())?;
        self.count = below_limit(u128::from(self.count) + u128::from(other.count))?;
        // Below the count limit nothing wraps, and sums that are possible add up to possible ones.
        for (sums, &others) in self.sums.iter_mut().zip(&other.sums) {
            *sums = sums.wrapping_add(others);
        }
        Ok(())
    }

    /// Takes all vectors of `other` out again; undoes [`Self::merge`].
    ///
    /// Vectors that were never added can't all be noticed: what is refused is a result that no inputs could have.
    ///
    /// # Errors
    /// [`MomentsError::WidthMismatch`], [`MomentsError::CountUnderflow`], [`MomentsError::SquaresUnderflow`] or
    /// [`MomentsError::Impossible`]; nothing has changed then.
    pub fn subtract(&mut self, other: &Self) -> Result<(), MomentsError> {
        same_width(other.width(), self.width())?;
        let underflow = MomentsError::CountUnderflow { count: self.count, taken: other.count };
        let count = self.count.checked_sub(other.count).ok_or(underflow)?;
        let pairs = || self.sums.iter().zip(&other.sums);
        if let Some(dimension) = pairs().position(|(own, others)| own.squares < others.squares) {
            return Err(MomentsError::SquaresUnderflow { dimension });
        }
        let rest = pairs().map(|(own, &others)| own.wrapping_sub(others)).collect();
        *self = Self::checked(u128::from(count), rest)?;
        Ok(())
    }

    /// The mean of each dimension in input units, correctly rounded; none without a vector.
    ///
    /// Σx/n · 2^-56 · scale, rounded once, half to even. `scale` is the one that the inputs were quantized with.
    pub fn mean(&self, scale: Scale) -> Option<Vec<f64>> {
        let count = u128::from(self.count);
        let exponent = scale.exponent() - FRACTION_BITS;
        let mean = |sums: &Sums| {
            Truncation::quotient(U256::from(sums.sum.unsigned_abs()), count, exponent).round_with_sign(sums.sum < 0)
        };
        (count > 0).then(|| self.sums.iter().map(mean).collect())
    }

    /// The sample variance of each dimension in squared input units, correctly rounded; none for fewer than two vectors.
    ///
    /// (n·Σx² − (Σx)²) / (n(n−1)) · 2^-112 · scale², rounded once, half to even.
    pub fn variance(&self, scale: Scale) -> Option<Vec<f64>> {
        self.exact_variances(scale).map(|variances| variances.map(Truncation::round).collect())
    }

    /// The sample standard deviation of each dimension in input units, correctly rounded; none for fewer than two vectors.
    ///
    /// The root of the exact variance, rounded once: not the root of what [`Self::variance`] gives.
    pub fn standard_deviation(&self, scale: Scale) -> Option<Vec<f64>> {
        self.exact_variances(scale).map(|variances| variances.map(|variance| variance.square_root().round()).collect())
    }

    fn exact_variances(&self, scale: Scale) -> Option<impl Iterator<Item = Truncation>> {
        let count = self.count;
        let divisor = u128::from(count) * u128::from(count.checked_sub(1).filter(|&less| less > 0)?);
        let exponent = 2 * (scale.exponent() - FRACTION_BITS);
        Some(self.sums.iter().map(move |sums| Truncation::quotient(sums.spread(count), divisor, exponent)))
    }

    /// The moments of part of the dimensions, with the same count.
    ///
    /// # Panics
    /// As slicing does, if `range` does not lie within 0..[`Self::width`].
    pub fn dimensions(&self, range: Range<usize>) -> Self {
        Self { count: self.count, sums: self.sums[range].to_vec() }
    }
}

pub(crate) fn same_width(got: usize, want: usize) -> Result<(), MomentsError> {
    if got == want { Ok(()) } else { Err(MomentsError::WidthMismatch { got, want }) }
}

fn below_limit(count: u128) -> Result<u64, MomentsError> {
    let limit = MomentsError::CountLimit { count };
    u64::try_from(count).ok().filter(|&count| count < COUNT_LIMIT).ok_or(limit)
}
