//! Inputs as fixed-point numbers: the one place where a value is rounded on its way in.
//!
//! Everything after this is integer arithmetic. Summing is not done here; see [`crate::Moments`].

use crate::readout::{Truncation, power_of_two};
use crate::scale::Scale;

/// Bits after the binary point of a scaled input.
pub(crate) const FRACTION_BITS: i32 = 56;

/// One input component divided by its [`Scale`] and rounded, half to even, to a multiple of 2^-56; below 2^24 in size.
///
/// Inputs of at least 2^-4 scales in size are multiples of 2^-56 already, so they are held exactly. The scale is not
/// held: values of different scales must not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FixedPoint(i128);

/// Why a number cannot be an input.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FixedError {
    /// Infinite, or not a number.
    #[error("{value} is not finite")]
    NotFinite {
        /// The input.
        value: f64,
    },
    /// Too large for the scale.
    #[error("{value} is out of range: its size must be below {limit}")]
    OutOfRange {
        /// The input.
        value: f64,
        /// [`Scale::limit`], in input units.
        limit: f64,
    },
}

/// Why a vector cannot be an input.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("component {index}: {source}")]
pub struct QuantizeError {
    /// Index of the first component that was refused, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub source: FixedError,
}

impl FixedPoint {
    /// Rounds `x` (in input units) to fixed point.
    ///
    /// # Errors
    /// [`FixedError::NotFinite`] for infinities and NaN, [`FixedError::OutOfRange`] from [`Scale::limit`] on.
    pub fn from_f64(x: f64, scale: Scale) -> Result<Self, FixedError> {
        Self::rounded(x * units(scale)).ok_or_else(|| refused(x, scale))
    }

    /// The nearest to `x` that there is; 0 for what is no number.
    #[must_use]
    pub fn nearest(x: f64, scale: Scale) -> Self {
        let limit = scale.limit();
        // The last double below the limit.
        let most = limit - limit * f64::EPSILON / 2.0;
        Self::from_f64(if x.is_nan() { 0.0 } else { x.clamp(-most, most) }, scale).unwrap_or(Self(0))
    }

    /// Rounds a number of 2^-56 scales, half to even; `None` from 2^80 on in size, and for what is no number.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "whole numbers within the range of the integer")]
    fn rounded(number: f64) -> Option<Self> {
        /// From here on doubles are whole numbers, next to each other, so that a sum that comes to lie here is rounded to
        /// one, half to even.
        const WHOLE: f64 = power_of_two(52);
        const WIDE: f64 = power_of_two(63);
        const LIMIT: f64 = power_of_two(80);
        let size = number.abs();
        if size < WIDE {
            let whole = if size < WHOLE { (size + WHOLE) - WHOLE } else { size } as i64;
            return Some(Self(i128::from(if number < 0.0 { -whole } else { whole })));
        }
        (size < LIMIT).then_some(Self(number as i128))
    }

    /// The value in input units, rounded half to even to a double; never -0.0.
    pub fn to_f64(self, scale: Scale) -> f64 {
        let size = Truncation::exact(self.0.unsigned_abs(), scale.exponent() - FRACTION_BITS);
        size.round_with_sign(self.0 < 0)
    }

    /// The value as a count of 2^-56 scales; below 2^80 in size.
    pub fn raw(self) -> i128 {
        self.0
    }
}

/// Rounds a whole vector to fixed point; an empty one gives an empty one.
///
/// # Errors
/// [`QuantizeError`] names the first component that is not finite or out of range.
pub fn quantize(input: &[f64], scale: Scale) -> Result<Vec<FixedPoint>, QuantizeError> {
    let mut quantized = Vec::with_capacity(input.len());
    quantize_into(&mut quantized, input, scale)?;
    Ok(quantized)
}

/// Appends [`quantize`] to `quantized`, so that many vectors need one allocation.
///
/// # Errors
/// As [`quantize`]; nothing has been appended then.
pub fn quantize_into(quantized: &mut Vec<FixedPoint>, input: &[f64], scale: Scale) -> Result<(), QuantizeError> {
    let (units, first) = (units(scale), quantized.len());
    // All first, and then a look whether one was refused: a vector of known length needs no look for room at each number.
    let mut is_whole = true;
    quantized.extend(input.iter().map(|&x| {
        let rounded = FixedPoint::rounded(x * units);
        is_whole &= rounded.is_some();
        rounded.unwrap_or(FixedPoint(0))
    }));
    if is_whole {
        return Ok(());
    }
    quantized.truncate(first);
    let bad = input.iter().zip(0..).find(|(x, _)| FixedPoint::rounded(*x * units).is_none());
    bad.map_or(Ok(()), |(&x, index)| Err(QuantizeError { index, source: refused(x, scale) }))
}

/// Multiples of 2^-56 scales in an input unit: a power of two, so that multiplying by it rounds nothing but what is far
/// below half a multiple.
fn units(scale: Scale) -> f64 {
    power_of_two(FRACTION_BITS - scale.exponent())
}

/// Why an input can't be held.
#[cold]
fn refused(value: f64, scale: Scale) -> FixedError {
    if value.is_finite() {
        FixedError::OutOfRange { value, limit: scale.limit() }
    } else {
        FixedError::NotFinite { value }
    }
}
