//! Between doubles and exact numbers, each way rounded once, half to even.

use num_bigint::{BigInt, BigUint, Sign};
use num_rational::BigRational;
use num_traits::{One, ToPrimitive, Zero, float::FloatCore};

/// Bits of a scaled input after the binary point.
pub(super) const FRACTION_BITS: i32 = 56;

/// Bits of a double's significand.
const SIGNIFICAND_BITS: i64 = 53;
/// Exponent of the least double above 0.
const LEAST_EXPONENT: i64 = -1074;
/// Bits that are worked out before the last rounding: more than are kept.
const WORKING_BITS: u64 = 80;

/// The multiple of 2^(`exponent` − 56) that is nearest to `number`, which is finite.
pub(in crate::oracle) fn quantized(number: f64, exponent: i32) -> BigInt {
    let (significand, power, sign) = FloatCore::integer_decode(number);
    let shift = i64::from(power) - i64::from(exponent) + i64::from(FRACTION_BITS);
    let size = shifted(&BigUint::from(significand), shift, false);
    BigInt::from_biguint(if sign < 0 { Sign::Minus } else { Sign::Plus }, size)
}

/// The double nearest to `fraction` · 2^`power`; never −0.
pub(in crate::oracle) fn rounded(fraction: &BigRational, power: i32) -> f64 {
    let (top, bottom) = (fraction.numer().magnitude(), fraction.denom().magnitude());
    // As many bits more than are needed, and whether anything is left beyond them.
    let more = (bottom.bits() + WORKING_BITS).saturating_sub(top.bits());
    let widened = top << more;
    let (whole, rest) = (&widened / bottom, &widened % bottom);
    let size = double(&whole, !rest.is_zero(), i64::from(power) - signed(more));
    if fraction.numer().sign() == Sign::Minus && size > 0.0 { -size } else { size }
}

/// The double nearest to the root of `fraction`, times 2^`power`. The fraction must not be negative.
pub(in crate::oracle) fn rounded_root(fraction: &BigRational, power: i32) -> f64 {
    let (top, bottom) = (fraction.numer().magnitude(), fraction.denom().magnitude());
    let more = (bottom.bits() + 2 * WORKING_BITS).saturating_sub(top.bits()).next_multiple_of(2);
    let widened = top << more;
    let (whole, rest) = (&widened / bottom, &widened % bottom);
    let root = whole.sqrt();
    let is_more = !rest.is_zero() || &root * &root != whole;
    double(&root, is_more, i64::from(power) - signed(more / 2))
}

/// The double nearest to `size` · 2^`power`, of which `is_more` says whether a little is missing.
fn double(size: &BigUint, is_more: bool, power: i64) -> f64 {
    if size.is_zero() {
        return 0.0;
    }
    let last_place = (signed(size.bits()) + power - SIGNIFICAND_BITS).max(LEAST_EXPONENT);
    let significand = shifted(size, power - last_place, is_more);
    let significand = significand.to_f64().expect("at most 53 bits, or the power of two after them");
    significand * power_of_two(last_place)
}

/// `size` · 2^`shift` as the nearest whole number, of which `is_more` says whether a little is missing.
fn shifted(size: &BigUint, shift: i64, is_more: bool) -> BigUint {
    let places = shift.unsigned_abs();
    if shift >= 0 {
        return size << places;
    }
    let whole: BigUint = size >> places;
    let rest = size - (&whole << places);
    let half = BigUint::one() << (places - 1);
    let goes_up = rest > half || (rest == half && (is_more || whole.bit(0)));
    if goes_up { whole + 1u32 } else { whole }
}

/// 2^`exponent`, from the least double on.
fn power_of_two(exponent: i64) -> f64 {
    const BIAS: i64 = 1023;
    const STORED_BITS: u32 = 52;
    let normal = u64::try_from(exponent + BIAS).ok().filter(|biased| *biased > 0);
    let subnormal = u32::try_from(exponent - LEAST_EXPONENT).unwrap_or(0);
    f64::from_bits(normal.map_or(1 << subnormal.min(STORED_BITS), |biased| biased << STORED_BITS))
}

fn signed(bits: u64) -> i64 {
    i64::try_from(bits).expect("numbers of this size do not fit a memory")
}
