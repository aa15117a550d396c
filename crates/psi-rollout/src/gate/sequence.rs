//! Bounds that hold at all looks together.
//!
//! The sequence is the one-sided asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
//! "Time-uniform central limit theory and asymptotic confidence sequences" (Annals of Statistics 52, 2024;
//! arXiv:2103.06476): Robbins' normal mixture, with the half of it that counts on one side. The two-sided one is the mSPRT
//! of Johari, Koomen, Pekelis and Walsh, "Always valid inference" (Operations Research 70, 2022). Betting and exact tests
//! of two proportions need independent steps, which steps of one key are not.

use libm::{log, log1p, sqrt};

/// How far an estimate may be from the truth on one side, at any look, but for a probability of `alpha`.
///
/// `variance` is that of the estimate, and `scale` the size of a difference that it is most sensitive to; both are
/// above 0. With c = (v + τ²)/v and L = ln(1 + √c/(2α)) it is √(2v·c/(c−1)·L) + s·L. The last term is Bernstein's: rare
/// errors are skewed, and a normal bound is too narrow for them. For means of n steps of 0 or 1 the `skew` is 1/(3n)
/// (Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49, 2021, on sub-gamma sums).
pub(super) fn radius(variance: f64, skew: f64, scale: f64, alpha: f64) -> f64 {
    let prior = scale * scale;
    let ratio = (variance + prior) / variance;
    let log_odds = log1p(sqrt(ratio) / (2.0 * alpha));
    sqrt(2.0 * variance * (variance + prior) / prior * log_odds) + skew * log_odds
}

/// How much wider a bound is at `alpha` whose variance was estimated from so few `degrees` of freedom.
///
/// The first term of Cornish and Fisher's expansion of Student's t: 1 + (z² + 1)/(4ν), with z² ≈ 2·ln(1/α) (Abramowitz
/// and Stegun 26.7.5).
pub(super) fn student_factor(degrees: f64, alpha: f64) -> f64 {
    1.0 + (2.0 * log(1.0 / alpha) + 1.0) / (4.0 * degrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: v = 1, τ = 1, c = 2: √(2·2·ln(1 + √2/0.1)).
    #[test]
    fn bounds_are_those_of_the_formula() {
        let log_odds = (1.0 + 2.0_f64.sqrt() / 0.1).ln();
        let (plain, skewed) = (radius(1.0, 0.0, 1.0, 0.05), radius(1.0, 0.5, 1.0, 0.05));
        assert!((plain - (4.0 * log_odds).sqrt()).abs() < 1e-12, "{plain}");
        assert!((skewed - plain - 0.5 * log_odds).abs() < 1e-12, "{skewed}");
        assert!(radius(1.0, 0.0, 1.0, 0.001) > plain && radius(4.0, 0.0, 1.0, 0.05) > plain);
        // Student's t of 15 degrees at 0.0007 is 3.97 on one side, 1.24 times the normal 3.19.
        assert!((student_factor(15.0, 6.9e-4) - 1.26).abs() < 0.01, "{}", student_factor(15.0, 6.9e-4));
        assert!(student_factor(63.0, 1e-3) < 1.06);
    }
}
