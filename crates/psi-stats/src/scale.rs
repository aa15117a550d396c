//! The power of two that a field's inputs are divided by before they become fixed-point numbers.
//!
//! Only powers of two, so that scaling never rounds. Which scale a field has is for the caller to remember: sums don't
//! carry it, and sums of different scales must not be merged.

use crate::readout::power_of_two;

/// Bits before the binary point of a scaled input: its size stays below 2^24.
pub(crate) const INTEGER_BITS: i32 = 24;

/// A scale of 2^exponent input units; the default is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scale(i8);

/// Why an exponent is no [`Scale`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scale exponent {exponent} is not between {} and {}", Scale::MIN_EXPONENT, Scale::MAX_EXPONENT)]
pub struct ScaleError {
    /// The exponent that was refused.
    pub exponent: i32,
}

impl Scale {
    /// The least exponent: 2^-64, for inputs of about 5e-20 and finer.
    pub const MIN_EXPONENT: i32 = -64;
    /// The greatest exponent: 2^64, for inputs up to about 3e26.
    pub const MAX_EXPONENT: i32 = 64;

    /// The scale 2^`exponent`.
    ///
    /// # Errors
    /// [`ScaleError`] if `exponent` is outside [`Self::MIN_EXPONENT`]..=[`Self::MAX_EXPONENT`].
    pub fn new(exponent: i32) -> Result<Self, ScaleError> {
        let refused = ScaleError { exponent };
        if !(Self::MIN_EXPONENT..=Self::MAX_EXPONENT).contains(&exponent) {
            return Err(refused);
        }
        i8::try_from(exponent).map(Self).map_err(|_| refused)
    }

    /// The least scale at which numbers of such a size take up at most 16 of the 24 bits before the point, so that others
    /// may be 256 times as large.
    #[must_use]
    pub fn fitting(size: f64) -> Self {
        let fits = |exponent: &i32| size < power_of_two(INTEGER_BITS - 8 + exponent);
        let exponent = (Self::MIN_EXPONENT..Self::MAX_EXPONENT).find(fits);
        Self(exponent.and_then(|exponent| i8::try_from(exponent).ok()).unwrap_or(64))
    }

    /// The exponent of two.
    pub fn exponent(self) -> i32 {
        i32::from(self.0)
    }

    /// The scale itself, 2^exponent, in input units.
    pub fn factor(self) -> f64 {
        power_of_two(self.exponent())
    }

    /// What every input must stay below in size: 2^24 times the scale, in input units.
    pub fn limit(self) -> f64 {
        power_of_two(INTEGER_BITS + self.exponent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_outside_the_range_are_refused_with_their_value() {
        for exponent in [-64, -1, 0, 1, 64] {
            assert_eq!(Scale::new(exponent).unwrap().exponent(), exponent);
        }
        for exponent in [i32::MIN, -65, 65, 128, 256, i32::MAX] {
            assert_eq!(Scale::new(exponent), Err(ScaleError { exponent }));
        }
        assert_eq!(ScaleError { exponent: 65 }.to_string(), "scale exponent 65 is not between -64 and 64");
    }

    #[test]
    fn a_fitting_scale_leaves_room() {
        for (size, exponent) in [(0.0, -64), (1.0, -15), (65_535.0, 0), (65_536.0, 1), (1e300, 64), (f64::INFINITY, 64)]
        {
            assert_eq!(Scale::fitting(size).exponent(), exponent, "{size}");
        }
        assert_eq!(Scale::fitting(f64::NAN).exponent(), 64);
    }

    #[test]
    fn factor_and_limit_are_exact_powers_of_two() {
        for exponent in Scale::MIN_EXPONENT..=Scale::MAX_EXPONENT {
            let scale = Scale::new(exponent).unwrap();
            assert_eq!(scale.factor(), 2f64.powi(exponent));
            assert_eq!(scale.limit(), 2f64.powi(exponent + 24));
        }
        assert_eq!(Scale::default().factor(), 1.0);
    }
}
