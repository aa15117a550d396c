//! What a run came to, metric by metric.

use super::engine::Outcome;
use crate::output::{numbers::short, table};

/// The numbers of a run, a series each, in the order of [`Outcome::NAMES`].
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    columns: [Vec<f64>; Outcome::COUNT],
}

impl Series {
    pub(super) fn push(&mut self, outcome: &Outcome) {
        for (column, number) in self.columns.iter_mut().zip(outcome.numbers) {
            column.push(number);
        }
    }

    pub(super) fn steps(&self) -> usize {
        self.columns[0].len()
    }

    /// t after the last step.
    pub(super) fn t(&self) -> f64 {
        self.columns[Outcome::T].last().copied().unwrap_or_default()
    }

    /// Of each gauge, so not of t: its place among [`Outcome::NAMES`], and its numbers.
    pub(super) fn gauges(&self) -> impl Iterator<Item = (usize, &[f64])> {
        self.columns.iter().map(Vec::as_slice).enumerate().filter(|(place, _)| *place != Outcome::T)
    }
}

/// How the numbers of a series are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Spread {
    mean: f64,
    /// Population standard deviation.
    std: f64,
    min: f64,
    p5: f64,
    p50: f64,
    p95: f64,
    max: f64,
}

impl Spread {
    /// Of at least one number; all zeros of none.
    fn of(numbers: &[f64]) -> Self {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else { return Self::default() };
        let mean = mean(numbers);
        let squares: f64 = numbers.iter().map(|number| (number - mean) * (number - mean)).sum();
        let [p5, p50, p95] = [0.05, 0.5, 0.95].map(|share| percentile(&sorted, share));
        Self { mean, std: (squares / numbers.len() as f64).sqrt(), min, p5, p50, p95, max }
    }
}

/// The mean of at least one number.
pub(super) fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// Linear between the numbers on both sides. `sorted` has at least one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the last place")]
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

/// A row a metric.
pub(super) fn text(series: &Series) -> String {
    let rows = series.gauges().map(|(place, numbers)| {
        let Spread { mean, std, min, p5, p50, p95, max } = Spread::of(numbers);
        let [mean, std, min, p5, p50, p95, max] = [mean, std, min, p5, p50, p95, max].map(short);
        [Outcome::SYMBOLS[place].to_owned(), mean, std, min, p5, p50, p95, max]
    });
    table(["metric", "mean", "std", "min", "p5", "p50", "p95", "max"], &[1, 2, 3, 4, 5, 6, 7], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_that_of_all_numbers() {
        let numbers: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        let got = Spread::of(&numbers);
        let std = (numbers.iter().map(|number| (number - 50.0).powi(2)).sum::<f64>() / 101.0).sqrt();
        assert_eq!(got, Spread { mean: 50.0, std, min: 0.0, p5: 5.0, p50: 50.0, p95: 95.0, max: 100.0 });
        let one = Spread { mean: 2.0, std: 0.0, min: 2.0, p5: 2.0, p50: 2.0, p95: 2.0, max: 2.0 };
        assert_eq!(Spread::of(&[2.0]), one);
        assert!((Spread::of(&[1.0, 2.0]).p95 - 1.95).abs() < 1e-15);
        assert_eq!(Spread::of(&[]), Spread::default());
    }
}
