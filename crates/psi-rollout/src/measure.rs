//! What a gate may watch beside errors and latency: a metric of the engine, novelty or a column, added up exactly.
//!
//! A value is rounded once, to 1/1,024 of the margin that its gate allows. After that all sums are integers, so that nodes
//! may merge them in any order. The margin is part of the plan, so both versions are rounded alike.

use std::fmt;

use crate::text::shown;

/// Steps of an arm stay below this, so that no sum overflows.
pub const STEPS_LIMIT: u64 = 1 << 47;
/// Most values that gates of one plan watch.
pub const MEASURES_MAX: usize = 4;
/// Metrics of the engine, in the order in which it gives them.
pub const METRICS: [&str; 8] = [
    "density",
    "continuity",
    "futurity",
    "phase_coherence",
    "temporal_entropy",
    "prediction_error",
    "memory",
    "time_dilation",
];
/// How many units a margin has.
pub(crate) const MARGIN_UNITS: f64 = 1_024.0;
/// Longest name of a column, in bytes.
const COLUMN_BYTES_MAX: usize = 64;
/// What comes before the name of a column.
const COLUMN: &str = "column:";
const NOVELTY: &str = "novelty";
/// Values lie within so many units on either side; what lies beyond counts as that. A billion margins.
pub(crate) const UNITS_MAX: i64 = 1 << 40;

/// A value that each step of a version has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A metric of the engine: its place in [`METRICS`].
    Metric(usize),
    /// How unusual the input is.
    Novelty,
    /// The input's column of this name.
    Column(String),
}

/// A name of no [`Subject`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no value of a step: give one of {}, {NOVELTY}, or {COLUMN}NAME", shown(.0, 40), METRICS.join(", "))]
pub struct SubjectError(pub String);

/// A value that a gate watches, and by how much the canary's mean may differ from the champion's.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    subject: Subject,
    margin: f64,
}

/// Sums of a value over the steps of one bucket of keys, in units of the margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeasuredTally {
    /// Steps with the value.
    pub steps: u64,
    /// Σx.
    pub sum: i128,
    /// Σx².
    pub squares: u128,
}

impl std::str::FromStr for Subject {
    type Err = SubjectError;

    fn from_str(name: &str) -> Result<Self, SubjectError> {
        if let Some(place) = METRICS.iter().position(|metric| *metric == name) {
            return Ok(Self::Metric(place));
        }
        let column = name.strip_prefix(COLUMN).filter(|column| (1..=COLUMN_BYTES_MAX).contains(&column.len()));
        match column {
            Some(column) => Ok(Self::Column(column.to_owned())),
            None if name == NOVELTY => Ok(Self::Novelty),
            None => Err(SubjectError(name.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metric(place) => f.pad(METRICS.get(*place).copied().unwrap_or_default()),
            Self::Novelty => f.pad(NOVELTY),
            Self::Column(name) => write!(f, "{COLUMN}{name}"),
        }
    }
}

impl Measure {
    /// `None` of a margin that is 0, or no number.
    pub(crate) fn new(subject: Subject, margin: f64) -> Option<Self> {
        margin.is_normal().then_some(Self { subject, margin })
    }

    /// What is watched.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Above 0: how far the canary's mean may lie above the champion's. Below 0: how far below.
    #[must_use]
    pub fn margin(&self) -> f64 {
        self.margin
    }

    /// A value in units of the margin, so that more is worse whichever side the margin lies on.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "rounded, and within 2^40")]
    pub fn units(&self, value: f64) -> i64 {
        // Whatever is no number counts as the largest.
        let units = value / self.margin * MARGIN_UNITS;
        if units.is_nan() { UNITS_MAX } else { units.round().clamp(-(UNITS_MAX as f64), UNITS_MAX as f64) as i64 }
    }

    /// What so many units come to.
    pub(crate) fn value(&self, units: f64) -> f64 {
        units / MARGIN_UNITS * self.margin
    }
}

/// `prediction_error +0.05`.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:+}", self.subject, self.margin)
    }
}

impl MeasuredTally {
    /// Counts a step. Its caller keeps the steps below [`STEPS_LIMIT`].
    pub(crate) fn count(&mut self, units: i64) {
        self.steps += 1;
        self.sum += i128::from(units);
        self.squares += u128::from(units.unsigned_abs()).pow(2);
    }

    /// Sums of both. Below [`STEPS_LIMIT`] nothing overflows.
    pub(crate) fn plus(self, other: Self) -> Self {
        let (steps, sum, squares) = (self.steps + other.steps, self.sum + other.sum, self.squares + other.squares);
        Self { steps, sum, squares }
    }

    /// What no steps could come to; `None` of sums that steps can have.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let (steps, furthest) = (u128::from(self.steps), u128::from(UNITS_MAX.unsigned_abs()));
        let sum = self.sum.unsigned_abs();
        let faults = [
            (self.steps >= STEPS_LIMIT, "too many steps"),
            (sum > steps.saturating_mul(furthest), "values out of range"),
            (self.squares > steps.saturating_mul(furthest * furthest), "squares of values out of range"),
            (steps > 0 && least_squares(steps, sum) > self.squares, "squares too small for the values"),
        ];
        faults.into_iter().find(|(is_fault, _)| *is_fault).map(|(_, words)| words)
    }

    /// The numbers as they are written down: steps, then both halves of the sum and of the squares, the lower one first.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "halves of 128 bits")]
    pub fn to_words(&self) -> [u64; 5] {
        let sum = (self.sum << 1 ^ self.sum >> 127) as u128;
        [self.steps, sum as u64, (sum >> 64) as u64, self.squares as u64, (self.squares >> 64) as u64]
    }

    /// The reverse of [`Self::to_words`]. Whether steps can come to it, [`Self::fault`] says.
    #[must_use]
    #[expect(clippy::cast_possible_wrap, reason = "as it was written")]
    pub fn from_words([steps, sum, sum_high, squares, squares_high]: [u64; 5]) -> Self {
        let whole = |low: u64, high: u64| u128::from(low) | u128::from(high) << 64;
        let sum = whole(sum, sum_high);
        let sum = (sum >> 1) as i128 ^ -((sum & 1) as i128);
        Self { steps, sum, squares: whole(squares, squares_high) }
    }

    /// The sum, in units.
    #[expect(clippy::cast_precision_loss, reason = "rounded to the nearest, everywhere alike")]
    pub(crate) fn units(&self) -> f64 {
        self.sum as f64
    }

    /// The variance of one step in units, if steps are independent; `None` of no steps.
    #[expect(clippy::cast_precision_loss, reason = "rounded to the nearest, everywhere alike")]
    pub(crate) fn spread(&self) -> Option<f64> {
        let steps = u128::from(self.steps);
        let around_mean = |least| self.squares.saturating_sub(least) as f64 / self.steps as f64;
        (steps > 0).then(|| around_mean(least_squares(steps, self.sum.unsigned_abs())))
    }
}

/// The least whole number of at least (Σx)²/n: Σx² is no less of any numbers. Exact, so that what is accepted of each of
/// several origins is accepted of their sum; in parts, so that it stays within 128 bits.
pub(crate) fn least_squares(n: u128, sum: u128) -> u128 {
    let (mean, rest) = (sum / n, sum % n);
    let whole = mean.saturating_mul(mean).saturating_mul(n).saturating_add(mean.saturating_mul(rest).saturating_mul(2));
    whole.saturating_add(rest.saturating_mul(rest).div_ceil(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(name: &str, margin: f64) -> Measure {
        Measure::new(name.parse().expect("a value"), margin).expect("a margin")
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in METRICS.into_iter().chain(["novelty", "column:car value", "column:x:y"]) {
            assert_eq!(name.parse::<Subject>().expect("a value").to_string(), name);
        }
        for name in ["", "Density", "column:", "psi"] {
            assert!(name.parse::<Subject>().is_err(), "{name}");
        }
        assert_eq!(
            "psi".parse::<Subject>().expect_err("no value").to_string(),
            "`psi` is no value of a step: give one of density, continuity, futurity, phase_coherence, \
             temporal_entropy, prediction_error, memory, time_dilation, novelty, or column:NAME"
        );
    }

    #[test]
    fn more_is_worse_on_either_side() {
        assert_eq!((measure("novelty", 0.5).units(1.0), measure("novelty", -0.5).units(1.0)), (2_048, -2_048));
        assert_eq!(measure("novelty", 0.5).value(2_048.0), 1.0);
        assert_eq!(measure("novelty", -0.5).value(-2_048.0), 1.0);
        let far = measure("novelty", 1e-300).units(1e300);
        assert_eq!((far, measure("novelty", 1.0).units(f64::NAN)), (UNITS_MAX, UNITS_MAX));
        for margin in [0.0, f64::NAN, f64::INFINITY, 1e-310] {
            assert!(Measure::new(Subject::Novelty, margin).is_none(), "{margin}");
        }
    }

    #[test]
    fn tallies_are_read_as_they_are_written() {
        let mut tally = MeasuredTally::default();
        for units in [-UNITS_MAX, UNITS_MAX, -3, 0, 7, -UNITS_MAX] {
            tally.count(units);
            assert_eq!(MeasuredTally::from_words(tally.to_words()), tally);
            assert_eq!(tally.fault(), None);
        }
        assert!(MeasuredTally { squares: tally.squares / 32, ..tally }.fault().is_some());
        assert!(MeasuredTally { sum: i128::MIN, ..tally }.fault().is_some());
        assert!(MeasuredTally { steps: STEPS_LIMIT, ..tally }.fault().is_some());
        assert!(MeasuredTally { steps: 0, sum: 0, squares: 1 }.fault().is_some());
    }

    /// By hand: 1, 3, 5 have a mean of 3, so that their squares around it are 4 + 0 + 4.
    #[test]
    fn spread_is_that_of_the_values() {
        let mut tally = MeasuredTally::default();
        assert_eq!(tally.spread(), None);
        [1, 3, 5].into_iter().for_each(|units| tally.count(units));
        assert_eq!((tally.units(), tally.spread()), (9.0, Some(8.0 / 3.0)));
    }
}
