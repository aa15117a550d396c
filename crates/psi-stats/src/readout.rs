//! Rounds a quotient of integers, or its square root, to the nearest double: once, half to even.
//!
//! The only way from sums back to floating point. It relies on nothing of the platform but that multiplying by a power of
//! two is exact. Subnormal and infinite results are left out: the sums that [`crate::Moments`] allows lie within 2^±400.

use ethnum::U256;

/// Bits of a double's significand.
const SIGNIFICAND_BITS: u32 = 53;

/// A number in [bits, bits + 1) · 2^exponent, and exactly bits · 2^exponent unless `inexact`.
///
/// An inexact one has more bits than a double, so that it rounds correctly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truncation {
    bits: u128,
    inexact: bool,
    exponent: i32,
}

impl Truncation {
    /// `bits` · 2^`exponent`.
    pub(crate) fn exact(bits: u128, exponent: i32) -> Self {
        Self { bits, inexact: false, exponent }
    }

    /// `numerator` / `denominator` · 2^`exponent`, to 128 bits.
    ///
    /// The denominator is neither 0 nor above 2^128.
    pub(crate) fn quotient(numerator: U256, denominator: u128, exponent: i32) -> Self {
        if numerator == U256::ZERO {
            return Self::exact(0, exponent);
        }
        // With its highest bit at 255, the numerator leaves at least 128 bits when divided by less than 2^128.
        let shift = numerator.leading_zeros();
        let shifted = numerator << shift;
        let denominator = U256::from(denominator);
        let whole = shifted / denominator;
        let inexact = whole * denominator != shifted;
        Self::truncate(whole, inexact, exponent - shift.cast_signed())
    }

    /// Keeps the highest 128 bits of `whole`.
    fn truncate(whole: U256, inexact: bool, exponent: i32) -> Self {
        let dropped = u128::BITS.saturating_sub(whole.leading_zeros());
        let kept = whole >> dropped;
        let inexact = inexact || kept << dropped != whole;
        Self { bits: *kept.low(), inexact, exponent: exponent + dropped.cast_signed() }
    }

    /// The square root, to at least 63 bits if this has 127 or is a square.
    pub(crate) fn square_root(self) -> Self {
        let even = self.with_even_exponent();
        let bits = even.bits.isqrt();
        let inexact = even.inexact || bits * bits != even.bits;
        Self { bits, inexact, exponent: even.exponent / 2 }
    }

    fn with_even_exponent(self) -> Self {
        if self.exponent % 2 == 0 {
            return self;
        }
        if self.bits >> 127 == 0 {
            return Self { bits: self.bits << 1, exponent: self.exponent - 1, ..self };
        }
        let inexact = self.inexact || self.bits & 1 == 1;
        Self { bits: self.bits >> 1, inexact, exponent: self.exponent + 1 }
    }

    /// The nearest double, half to even, with a minus sign if `negative`; zero must not be.
    pub(crate) fn round_with_sign(self, negative: bool) -> f64 {
        let size = self.round();
        if negative { -size } else { size }
    }

    /// The nearest double, half to even.
    pub(crate) fn round(self) -> f64 {
        let length = u128::BITS - self.bits.leading_zeros();
        let dropped = length.saturating_sub(SIGNIFICAND_BITS);
        debug_assert!(dropped > 0 || !self.inexact, "too few bits to round: {self:?}");
        let mut whole = self.bits >> dropped;
        if dropped > 0 {
            let rest = self.bits - (whole << dropped);
            let half = 1 << (dropped - 1);
            let up = rest > half || (rest == half && (self.inexact || whole & 1 == 1));
            whole += u128::from(up);
        }
        let significand = u64::try_from(whole).expect("a significand has at most 54 bits");
        // Both factors and the product are exact: the significand is at most 2^53.
        significand as f64 * power_of_two(self.exponent + dropped.cast_signed())
    }
}

/// A double within two units in the last place of an integer, for what is no read-out: the sum of its 64-bit words, each
/// rounded, which takes a quarter of the time of rounding the whole.
pub(crate) fn near(whole: U256) -> f64 {
    let (high, low) = whole.into_words();
    near_u128(high) * power_of_two(128) + near_u128(low)
}

/// [`near`] of an integer of 128 bits.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "word by word, each rounded once")]
pub(crate) fn near_u128(whole: u128) -> f64 {
    (whole >> u64::BITS) as u64 as f64 * power_of_two(64) + whole as u64 as f64
}

/// 2^`exponent`, for exponents of normal doubles: -1022..=1023.
pub(crate) const fn power_of_two(exponent: i32) -> f64 {
    debug_assert!(-1022 <= exponent && exponent <= 1023, "not a normal double");
    f64::from_bits(((exponent + 1023).cast_unsigned() as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_near() {
        for bits in 0..256 {
            for whole in [U256::ONE << bits, (U256::ONE << bits) - U256::ONE, U256::MAX >> bits] {
                for whole in [whole, whole | (whole >> 53), whole ^ (whole >> 53), whole | (whole >> 54)] {
                    let (near, nearest) = (near(whole), Truncation::quotient(whole, 1, 0).round());
                    assert!((near - nearest).abs() <= nearest * 2.0 * f64::EPSILON, "{whole}: {near}");
                    if let Ok(whole) = u128::try_from(whole) {
                        assert_eq!(near_u128(whole), near);
                    }
                }
            }
        }
    }
}
