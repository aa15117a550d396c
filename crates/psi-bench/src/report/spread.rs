//! Median and spread.

use serde::{Deserialize, Serialize};

/// Median and spread over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of the rounds gave at most this.
    pub median: f64,
    /// The least of any round.
    pub least: f64,
    /// The greatest of any round.
    pub greatest: f64,
}

impl Spread {
    /// None of no numbers. The median of an even count is the mean of the two in the middle.
    pub(crate) fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        let (&least, &greatest) = (numbers.first()?, numbers.last()?);
        let upper = numbers.len() / 2;
        let lower = (numbers.len() - 1) / 2;
        Some(Self { median: f64::midpoint(numbers[lower], numbers[upper]), least, greatest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle_and_spread_reaches_from_end_to_end() {
        for (numbers, median, least, greatest) in [
            (vec![3.0, 1.0, 2.0], 2.0, 1.0, 3.0),
            (vec![10.0, 1.0, 2.0, 4.0], 3.0, 1.0, 10.0),
            (vec![7.0], 7.0, 7.0, 7.0),
        ] {
            assert_eq!(Spread::of(numbers), Some(Spread { median, least, greatest }));
        }
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
