//! Engine `synthetic`: closed formulas of one input vector and the noise level ν.
//!
//! This is the small engine that ran in production while the two pods of one service drifted apart; its formulas are
//! kept as they were so that its figures can be compared. With `n` numbers `x`, weights `j = n, n−1, …, 1`, `σ` the
//! logistic function and `std` the population standard deviation:
//!
//! ```text
//! C      = clip(1 − std/(1 + std), 0, 1)
//! U      = clip(σ(mean + ν/2), 0, 1)
//! Φ      = atan2(Σx, n + ν) mod π
//! H      = clip(ln(1 + std² + ν), 0, 5)
//! PE     = clip(|x_last − mean| + ν, 0, 5)
//! dt_eff = clip(dt + 0.05·std, dt_min, dt_max)
//! Ψ      = clip(σ(‖x‖/n + (Σ x_i·j_i / n)/(5n)), 0, 1)
//! M      = clip(‖x‖/n, 0, 10)
//! ```
//!
//! Non-finite inputs: NaN counts as 0, +∞ as 5, −∞ as −5. Leaves out guardian conditioning, which is
//! [`crate::guardian`], and all history but ν.

use std::f64::consts::PI;

use ndarray::ArrayView1;

use crate::{Metrics, Noise, Parameters};

/// What an infinite input counts as, with its sign.
const INFINITE_INPUT: f64 = 5.0;

/// Scores `input` at noise level `noise`. Of the parameters only `dt`, `dt_min` and `dt_max` are used.
///
/// Total: every metric is finite and in its range whatever the input, up to the largest finite number. An empty input
/// is scored as the single number 0. Sums run in index order, so the answer's bits depend on the arguments alone.
#[expect(clippy::needless_pass_by_value, reason = "a view is a borrow already, and ndarray's own functions take it so")]
pub fn score(input: ArrayView1<'_, f64>, noise: Noise, parameters: &Parameters) -> Metrics {
    let shape = Shape::of(&input);
    let noise = noise.value();
    let tension = shape.norm_per_number + shape.early_weight / (5.0 * shape.count);
    Metrics {
        density: clip(logistic(shape.enlarge(tension)), 0.0, 1.0),
        continuity: clip(1.0 - shape.std / (1.0 + shape.std), 0.0, 1.0),
        futurity: clip(logistic(shape.enlarge(shape.mean) + noise / 2.0), 0.0, 1.0),
        phase_coherence: modulo_pi(libm::atan2(shape.enlarge(shape.sum), shape.count + noise)),
        temporal_entropy: clip(libm::log(1.0 + shape.std * shape.std + noise), 0.0, 5.0),
        prediction_error: clip(shape.enlarge((shape.last - shape.mean).abs()) + noise, 0.0, 5.0),
        memory: clip(shape.enlarge(shape.norm_per_number), 0.0, 10.0),
        time_dilation: clip(parameters.dt() + 0.05 * shape.std, parameters.dt_min(), parameters.dt_max()),
    }
    .without_negative_zeros()
}

/// What the formulas need to know of an input.
///
/// The quantities up to `std` are those of the input times `1 / enlargement`; see [`Shape::of`].
struct Shape {
    /// n, at least 1.
    count: f64,
    sum: f64,
    mean: f64,
    last: f64,
    /// ‖x‖/n.
    norm_per_number: f64,
    /// Σ x_i·j_i / n: a sum in which the first number weighs n times as much as the last.
    early_weight: f64,
    /// Population standard deviation of the input itself, at most `f64::MAX`.
    std: f64,
    enlargement: f64,
}

impl Shape {
    /// Inputs beyond this are shrunk first, so that their squares and sums stay finite.
    const HUGE: f64 = power_of_two(400);
    /// Takes the largest number to 2^424, and one just beyond [`Self::HUGE`] to 2^-200: both have finite, normal
    /// squares. A power of two, so that shrinking and enlarging round nothing that matters beside such a number.
    const SHRINK: f64 = power_of_two(-600);
    const ENLARGE: f64 = power_of_two(600);

    fn of(input: &ArrayView1<'_, f64>) -> Self {
        match input.as_slice() {
            Some(contiguous) => Self::of_numbers(&contiguous.iter()),
            None => Self::of_numbers(&input.iter()),
        }
    }

    fn of_numbers<'a>(input: &(impl DoubleEndedIterator<Item = &'a f64> + ExactSizeIterator + Clone)) -> Self {
        let largest = input.clone().fold(0.0_f64, |largest, &number| largest.max(finite(number).abs()));
        let (shrinkage, enlargement) = if largest > Self::HUGE { (Self::SHRINK, Self::ENLARGE) } else { (1.0, 1.0) };
        let numbers = || input.clone().map(|&number| finite(number) * shrinkage);

        let count = input.len().max(1) as f64;
        let sum = add_up(numbers());
        let mean = sum / count;
        let variance = add_up(numbers().map(|number| (number - mean) * (number - mean))) / count;
        let norm = add_up(numbers().map(|number| number * number)).sqrt();
        let weights = (1..=input.len()).rev().map(|weight| weight as f64);
        let weighted = add_up(numbers().zip(weights).map(|(number, weight)| number * weight));
        Self {
            count,
            sum,
            mean,
            last: numbers().next_back().unwrap_or(0.0),
            norm_per_number: norm / count,
            early_weight: weighted / count,
            // Kept finite: infinity over infinity would make the continuity NaN.
            std: (variance.sqrt() * enlargement).min(f64::MAX),
            enlargement,
        }
    }

    /// A shrunk quantity in units of the input. May be infinite, which the formulas that use it then clip.
    fn enlarge(&self, shrunk: f64) -> f64 {
        shrunk * self.enlargement
    }
}

fn finite(number: f64) -> f64 {
    if number.is_nan() {
        0.0
    } else if number.is_infinite() {
        INFINITE_INPUT.copysign(number)
    } else {
        number
    }
}

/// The sum in the order given. `Iterator::sum` starts from -0.0 and ndarray's sums regroup; this does neither.
fn add_up(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(0.0, |sum, number| sum + number)
}

/// 1 / (1 + e^-v): 0 at −∞, 1 at +∞.
fn logistic(v: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-v))
}

/// The non-negative remainder by π of an angle in [−π, π].
fn modulo_pi(angle: f64) -> f64 {
    let remainder = if angle < 0.0 { angle + PI } else { angle };
    // A tiny negative angle plus π rounds to π, which is outside the half-open range.
    remainder.min(PI.next_down())
}

fn clip(v: f64, low: f64, high: f64) -> f64 {
    v.max(low).min(high)
}

/// 2^exponent, for exponents of normal numbers.
const fn power_of_two(exponent: i16) -> f64 {
    const BIAS: i16 = 1023;
    const MANTISSA_BITS: u32 = 52;
    f64::from_bits(((exponent + BIAS).unsigned_abs() as u64) << MANTISSA_BITS)
}

#[cfg(test)]
mod tests;
