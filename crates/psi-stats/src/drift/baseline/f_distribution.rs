//! The upper tail of the F distribution, with the same bits on every machine: by `libm` alone.

/// Terms of the continued fraction; far fewer are needed.
const TERMS_MAX: u32 = 10_000;
/// The fraction is followed until it changes by less.
const PRECISION: f64 = 1e-15;
/// Stands for 0, which is not divided by.
const TINY: f64 = 1e-300;

/// The probability of more than `ratio`, by degrees of freedom of the numerator and the denominator.
pub(super) fn above(ratio: f64, numerator: f64, denominator: f64) -> f64 {
    if ratio <= 0.0 {
        return 1.0;
    }
    beta(denominator / (denominator + numerator * ratio), denominator / 2.0, numerator / 2.0)
}

/// The regularized incomplete beta function I_x(a, b).
fn beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let logarithm = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x);
    let front = libm::exp(logarithm);
    // Each side of this the fraction converges quickly.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    }
}

/// The continued fraction of the incomplete beta function, by Lentz's method.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let off_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut numerator = 1.0;
    let mut denominator = 1.0 / off_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = denominator;
    for term in 1..TERMS_MAX {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for coefficient in [even, odd] {
            denominator = 1.0 / off_zero(1.0 + coefficient * denominator);
            numerator = off_zero(1.0 + coefficient / numerator);
            change = numerator * denominator;
            value *= change;
        }
        if (change - 1.0).abs() < PRECISION {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_integral_to_thirty_digits() {
        for (ratio, numerator, denominator, want) in [
            (0.5, 1.0, 8.0, 0.4995758943632592),
            (5.3, 1.0, 8.0, 0.05029993033881197),
            (1.0, 9.0, 72.0, 0.4480909210586628),
            (2.5, 9.0, 72.0, 0.01507646094974011),
            (6.0, 9.0, 72.0, 3.1034387371923604e-06),
            (4.4, 3.7, 29.6, 0.0076205396725965765),
            (0.2, 11.0, 88.0, 0.9972314929115648),
            (12.0, 11.0, 264.0, 3.18251920368156e-18),
            (30.0, 2.25, 162.0, 8.860041117247953e-13),
            (1.7, 79.0, 632.0, 0.0003289591873212137),
        ] {
            let got = above(ratio, numerator, denominator);
            assert!((got / want - 1.0).abs() < 1e-11, "{ratio} {numerator} {denominator}: {got}, not {want}");
        }
        assert_eq!((above(0.0, 3.0, 24.0), above(-1.0, 3.0, 24.0)), (1.0, 1.0));
        assert!(above(f64::INFINITY, 3.0, 24.0).abs() < f64::MIN_POSITIVE);
    }

    #[test]
    fn a_greater_ratio_is_never_more_probable() {
        for numerator in [1.0, 2.3, 9.0, 11.0, 79.0] {
            let tails: Vec<f64> =
                (0..2_000).map(|at| above(f64::from(at) / 50.0, numerator, 8.0 * numerator)).collect();
            assert!(tails.windows(2).all(|pair| pair[0] >= pair[1] - 1e-15), "{numerator}");
        }
    }
}
