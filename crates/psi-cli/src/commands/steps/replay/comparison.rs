//! Two runs of one recording with different parameters, metric by metric.

use std::collections::BTreeMap;

use serde::Serialize;
use sparklines::{StringSpark, TICKS};

use super::{
    engine::Outcome,
    summary::{Series, mean},
};
use crate::output::{numbers::short, table};

/// Columns of a plot in a terminal.
pub(super) const PLOT_COLUMNS: usize = 60;

/// How far the other run is from this one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Comparison {
    pub(super) steps: usize,
    /// Seconds.
    pub(super) t: f64,
    pub(super) against_t: f64,
    metrics: BTreeMap<&'static str, Difference>,
}

/// Of one metric; differences are the other run's number minus this one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Difference {
    mean: f64,
    against_mean: f64,
    mean_difference: f64,
    rms_difference: f64,
    /// The one farthest from 0.
    largest_difference: f64,
    /// The step of the largest, the first if there are several.
    largest_step: usize,
}

impl Comparison {
    /// Of two runs of the same steps, at least one.
    pub(super) fn of(this: &Series, against: &Series) -> Self {
        let pairs = this.gauges().zip(against.gauges());
        Self {
            steps: this.steps(),
            t: this.t(),
            against_t: against.t(),
            metrics: pairs
                .map(|((place, this), (_, against))| (Outcome::NAMES[place], Difference::of(this, against)))
                .collect(),
        }
    }

    /// A row a metric.
    pub(super) fn text(&self) -> String {
        let rows = Outcome::NAMES.iter().zip(Outcome::SYMBOLS).filter_map(|(name, symbol)| {
            let one = self.metrics.get(name)?;
            Some([
                symbol.to_owned(),
                short(one.mean),
                short(one.against_mean),
                short(one.mean_difference),
                short(one.rms_difference),
                short(one.largest_difference),
                one.largest_step.to_string(),
            ])
        });
        let header = ["metric", "mean", "against", "difference", "rms", "largest", "at step"];
        table(header, &[1, 2, 3, 4, 5, 6], rows.collect())
    }
}

impl Difference {
    fn of(this: &[f64], against: &[f64]) -> Self {
        let differences: Vec<f64> = this.iter().zip(against).map(|(this, against)| against - this).collect();
        let squares: Vec<f64> = differences.iter().map(|difference| difference * difference).collect();
        let mut largest = (0.0_f64, 1);
        for (&difference, step) in differences.iter().zip(1..) {
            if difference.abs() > largest.0.abs() {
                largest = (difference, step);
            }
        }
        Self {
            mean: mean(this),
            against_mean: mean(against),
            mean_difference: mean(&differences),
            rms_difference: mean(&squares).sqrt(),
            largest_difference: largest.0,
            largest_step: largest.1,
        }
    }
}

/// Both runs of each metric, one above the other on the same scale.
pub(super) fn plots(this: &Series, against: &Series) -> String {
    let rows = this.gauges().zip(against.gauges()).flat_map(|((place, this), (_, against))| {
        let (low, high) = range(this.iter().chain(against));
        let draw = |numbers| spark(numbers, low, high);
        [
            [Outcome::SYMBOLS[place].to_owned(), "this".to_owned(), draw(this), short(high)],
            [String::new(), "against".to_owned(), draw(against), short(low)],
        ]
    });
    table(["metric", "run", "", "scale"], &[3], rows.collect())
}

/// The least and the greatest of at least one number.
pub(super) fn range<'a>(numbers: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &number| (low.min(number), high.max(number)))
}

/// A letter for each step, or for the mean of several.
pub(super) fn spark(numbers: &[f64], low: f64, high: f64) -> String {
    let a_letter = numbers.len().div_ceil(PLOT_COLUMNS).max(1);
    let means: Vec<f64> = numbers.chunks(a_letter).map(mean).collect();
    let spark = StringSpark::<sparklines::BuildAlgorithmicIndexer>::new_with_min_max(&TICKS, low, high);
    spark.map(|spark| spark.spark(&means)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run whose numbers at step k are all `numbers[k - 1]`.
    fn series(numbers: &[f64]) -> Series {
        let mut series = Series::default();
        for (number, k) in numbers.iter().zip(1..) {
            series.push(&Outcome { k, numbers: [*number; Outcome::COUNT] });
        }
        series
    }

    #[test]
    fn differences_are_the_other_runs_less_this_ones() {
        let comparison = Comparison::of(&series(&[1.0, 2.0, 3.0]), &series(&[1.0, -2.0, 7.0]));
        assert_eq!((comparison.steps, comparison.t, comparison.against_t), (3, 3.0, 7.0));
        assert_eq!(comparison.metrics.len(), Outcome::COUNT - 1, "t is no gauge");
        let want = Difference {
            mean: 2.0,
            against_mean: 2.0,
            mean_difference: 0.0,
            rms_difference: (32.0_f64 / 3.0).sqrt(),
            largest_difference: -4.0,
            largest_step: 2,
        };
        assert_eq!(comparison.metrics["Psi"], want);
        let same = Comparison::of(&series(&[1.0]), &series(&[1.0])).metrics["H"];
        assert_eq!((same.rms_difference, same.largest_difference, same.largest_step), (0.0, 0.0, 1));
    }

    #[test]
    fn plots_have_one_scale_for_both_runs() {
        let text = plots(&series(&[0.0, 1.0]), &series(&[2.0, 7.0]));
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 1 + 2 * 9, "{text}");
        assert!(rows[1].contains("this") && rows[1].contains("▁▂") && rows[1].ends_with('7'), "{text}");
        assert!(rows[2].contains("against") && rows[2].contains("▃█") && rows[2].ends_with('0'), "{text}");
    }

    #[test]
    fn long_series_are_drawn_in_one_line() {
        let long: Vec<f64> = (0..100_000).map(f64::from).collect();
        let line = spark(&long, 0.0, 99_999.0);
        assert_eq!(line.chars().count(), PLOT_COLUMNS);
        assert!(line.starts_with('▁') && line.ends_with('█'), "{line}");
        assert_eq!(spark(&[1.0, 1.0], 1.0, 1.0).chars().count(), 2);
    }
}
