//! Inputs as fixed-point numbers: the one place where a value is rounded on its way in.
//!
//! Everything after this is integer arithmetic. Summing is not done here; see [`crate::Moments`].

use crate::readout::Truncated;
use crate::scale::Scale;

/// Bits after the binary point of a scaled input.
pub(crate) const FRACTION_BITS: i32 = 56;

/// Bits of a double's significand that are stored.
const STORED_BITS: i32 = 52;

/// The exponent of a double's last place is its biased exponent less this.
const LAST_PLACE_BIAS: i32 = 1075;

/// One input component divided by its [`Scale`] and rounded, half to even, to a multiple of 2^-56; below 2^24 in size.
///
/// Inputs of at least 2^-4 scales in size are multiples of 2^-56 already, so they are held exactly. The scale is not
/// held: values of different scales must not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fixed(i128);

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

impl Fixed {
    /// Rounds `x` (in input units) to fixed point.
    ///
    /// # Errors
    /// [`FixedError::NotFinite`] for infinities and NaN, [`FixedError::OutOfRange`] from [`Scale::limit`] on.
    pub fn from_f64(x: f64, scale: Scale) -> Result<Self, FixedError> {
        if !x.is_finite() {
            return Err(FixedError::NotFinite { value: x });
        }
        let limit = scale.limit();
        if x.abs() >= limit {
            return Err(FixedError::OutOfRange { value: x, limit });
        }
        let (significand, exponent) = decompose(x);
        let size = shift_half_even(significand, exponent + FRACTION_BITS - scale.exponent());
        Ok(Self(if x.is_sign_negative() { -size } else { size }))
    }

    /// The value in input units, rounded half to even to a double; never -0.0.
    pub fn to_f64(self, scale: Scale) -> f64 {
        let size = Truncated::exact(self.0.unsigned_abs(), scale.exponent() - FRACTION_BITS);
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
pub fn quantize(input: &[f64], scale: Scale) -> Result<Vec<Fixed>, QuantizeError> {
    let mut quantized = Vec::with_capacity(input.len());
    quantize_into(&mut quantized, input, scale)?;
    Ok(quantized)
}

/// Appends [`quantize`] to `quantized`, so that many vectors need one allocation.
///
/// # Errors
/// As [`quantize`]; some of the vector may have been appended then.
pub fn quantize_into(quantized: &mut Vec<Fixed>, input: &[f64], scale: Scale) -> Result<(), QuantizeError> {
    for (index, &x) in input.iter().enumerate() {
        quantized.push(Fixed::from_f64(x, scale).map_err(|source| QuantizeError { index, source })?);
    }
    Ok(())
}

/// The size of a finite double as significand · 2^exponent.
fn decompose(x: f64) -> (u64, i32) {
    let bits = x.abs().to_bits();
    let stored = bits & ((1 << STORED_BITS) - 1);
    match (bits >> STORED_BITS) as u16 {
        0 => (stored, 1 - LAST_PLACE_BIAS),
        biased => (stored | 1 << STORED_BITS, i32::from(biased) - LAST_PLACE_BIAS),
    }
}

/// `significand` · 2^`shift`, rounded half to even to an integer; the caller has seen to it that it stays below 2^80.
fn shift_half_even(significand: u64, shift: i32) -> i128 {
    let significand = i128::from(significand);
    if shift >= 0 {
        return significand << shift;
    }
    let dropped = shift.unsigned_abs();
    // A significand is below 2^53, so 54 dropped bits leave less than a half.
    if dropped > 53 {
        return 0;
    }
    let whole = significand >> dropped;
    let rest = significand - (whole << dropped);
    let half = 1 << (dropped - 1);
    let up = rest > half || (rest == half && whole & 1 == 1);
    whole + i128::from(up)
}
