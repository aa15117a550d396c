//! The slow and obvious way: exact rationals, rounded by comparing with the two nearest doubles.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};
use psi_stats::{FixedPoint, Scale};

/// 2^`exponent`.
pub(crate) fn power_of_two(exponent: i32) -> BigRational {
    BigRational::from_integer(BigInt::from(2)).pow(exponent)
}

/// A finite double as it is.
pub(crate) fn exactly(x: f64) -> BigRational {
    BigRational::from_float(x).expect("finite")
}

/// x / scale · 2^56, rounded half to even.
pub(crate) fn quantized(x: f64, scale: Scale) -> BigInt {
    let scaled = exactly(x) * power_of_two(56 - scale.exponent());
    let below = scaled.floor().to_integer();
    let rest = scaled - BigRational::from_integer(below.clone());
    match rest.cmp(&power_of_two(-1)) {
        Ordering::Less => below,
        Ordering::Greater => below + 1,
        Ordering::Equal if !below.bit(0) => below,
        Ordering::Equal => below + 1,
    }
}

/// What a fixed-point number stands for, in input units.
pub(crate) fn value(raw: &FixedPoint, scale: Scale) -> BigRational {
    BigRational::from_integer(BigInt::from(raw.raw())) * power_of_two(scale.exponent() - 56)
}

/// The mean of at least one value.
pub(crate) fn mean(values: &[BigRational]) -> BigRational {
    values.iter().sum::<BigRational>() / count(values)
}

/// The sample variance of at least two values, from the squared distances to their mean.
pub(crate) fn variance(values: &[BigRational]) -> BigRational {
    let mean = mean(values);
    let squared_distance = |value| {
        let distance: BigRational = value - &mean;
        &distance * &distance
    };
    values.iter().map(squared_distance).sum::<BigRational>() / (count(values) - power_of_two(0))
}

fn count(values: &[BigRational]) -> BigRational {
    BigRational::from_integer(BigInt::from(values.len()))
}

/// The double nearest to `x`, ties to even.
pub(crate) fn nearest(x: &BigRational) -> f64 {
    let size = nearest_by(x.to_f64().expect("in range").abs(), |candidate| candidate.cmp(&x.abs()));
    if x.is_negative() { -size } else { size }
}

/// The double nearest to the square root of `x`, ties to even.
pub(crate) fn nearest_root(x: &BigRational) -> f64 {
    nearest_by(x.to_f64().expect("in range").sqrt(), |candidate| (candidate * candidate).cmp(x))
}

/// The double nearest to a size that numbers can only be compared with, found from a guess near it.
fn nearest_by(guess: f64, compare: impl Fn(&BigRational) -> Ordering) -> f64 {
    let mut below = guess;
    while below > 0.0 && compare(&exactly(below)).is_gt() {
        below = below.next_down();
    }
    while compare(&exactly(below.next_up())).is_le() {
        below = below.next_up();
    }
    let above = below.next_up();
    let middle = (exactly(below) + exactly(above)) * power_of_two(-1);
    match compare(&middle) {
        Ordering::Greater => below,
        Ordering::Less => above,
        Ordering::Equal if below.to_bits().is_multiple_of(2) => below,
        Ordering::Equal => above,
    }
}

/// −log10 of the relative error: how many decimal digits are right.
pub(crate) fn right_digits(got: f64, certified: &BigRational) -> f64 {
    let error = ((exactly(got) - certified) / certified).abs();
    if error.is_zero() { f64::INFINITY } else { -error.to_f64().expect("in range").log10() }
}

/// A decimal number such as -177.435, exactly.
pub(crate) fn decimal(text: &str) -> BigRational {
    let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let digits: BigInt = text.replace('.', "").parse().expect("digits");
    let places = u32::try_from(places).expect("few places");
    BigRational::new(digits, BigInt::from(10).pow(places))
}
