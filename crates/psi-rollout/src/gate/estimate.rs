//! What is known of one version: a mean, and how far it may be off.

use super::sequence::student_factor;
use crate::{
    measure::MeasuredTally,
    outcome::{Outcomes, Tally},
};

/// Fewest buckets of keys by which a version is judged: below, nobody knows how its keys differ.
pub const BUCKETS_MIN: usize = 16;

/// A mean over steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    /// Steps.
    pub(super) steps: u64,
    /// Buckets that hold steps.
    pub(super) buckets: usize,
    /// The sum: errors, microseconds, or units of a margin.
    pub(super) sum: f64,
    /// The mean: a share, microseconds, or units. 0 without a step.
    pub(super) mean: f64,
    /// The variance of one step, if steps were independent.
    spread: f64,
    /// How much more the mean varies because steps of a key correlate.
    design_effect: DesignEffect,
}

/// How many times as much a mean varies as that of independent steps, as buckets of keys show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DesignEffect {
    effect: f64,
    /// Degrees of freedom that it was estimated from.
    degrees: f64,
}

/// A number of steps, or a sum of microseconds, as a float.
#[expect(
    clippy::cast_precision_loss,
    reason = "53 bits are enough for a variance; the rounding is the same everywhere"
)]
fn float(number: u128) -> f64 {
    number as f64
}

/// What is added up over steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Errors.
    Errors,
    /// Microseconds.
    Latency,
    /// The measure at this place in the plan, in units of its margin.
    Measure(usize),
}

/// The steps of a bucket, and their sum.
#[derive(Clone, Copy, Debug)]
struct BucketSum {
    steps: u64,
    sum: f64,
}

/// All that an estimate is made from.
#[derive(Clone, Copy, Debug)]
struct Evidence {
    steps: u64,
    sum: f64,
    /// The variance of one step, if steps were independent.
    spread: f64,
    buckets: usize,
    /// How much the sum varies by its buckets.
    between: f64,
}

/// What was rounded to a microsecond, or to a unit, varies by at least a twelfth of its square.
fn rounded(variance: f64) -> f64 {
    variance.max(1.0 / 12.0)
}

impl Quantity {
    /// What the outcomes of a version show; `None` without steps.
    fn evidence(self, outcomes: &Outcomes) -> Option<Evidence> {
        let total = outcomes.total();
        match self {
            Self::Errors => {
                let (steps, sum) = (total.steps, float(total.errors.into()));
                let spread = spread_at(smoothed(sum, float(steps.into())));
                let of_bucket = |tally: &Tally| BucketSum { steps: tally.steps, sum: float(tally.errors.into()) };
                Evidence::of_buckets(BucketSum { steps, sum }, spread, outcomes.buckets().iter().map(of_bucket))
            }
            Self::Latency => {
                let (steps, sum) = (total.timed_steps, float(total.latency_us));
                let (n, mean) = (float(steps.into()), sum / float(steps.into()));
                let spread = rounded(float(total.latency_us_squares) / n - mean * mean);
                let of_bucket = |tally: &Tally| BucketSum { steps: tally.timed_steps, sum: float(tally.latency_us) };
                Evidence::of_buckets(BucketSum { steps, sum }, spread, outcomes.buckets().iter().map(of_bucket))
            }
            Self::Measure(place) => {
                let tallies = outcomes.measured().get(place)?;
                let total = tallies.iter().fold(MeasuredTally::default(), |all, one| all.plus(*one));
                let of_tally = |tally: &MeasuredTally| BucketSum { steps: tally.steps, sum: tally.units() };
                Evidence::of_buckets(of_tally(&total), rounded(total.spread()?), tallies.iter().map(of_tally))
            }
        }
    }
}

impl Evidence {
    fn of_buckets(total: BucketSum, spread: f64, buckets: impl Iterator<Item = BucketSum>) -> Option<Self> {
        let BucketSum { steps, sum } = total;
        if steps == 0 {
            return None;
        }
        let sums: Vec<_> = buckets.filter(|sum| sum.steps > 0).collect();
        let between = between_buckets(&sums, sum / float(steps.into()));
        Some(Self { steps, sum, spread, buckets: sums.len(), between })
    }
}

impl Estimate {
    /// What the outcomes of a version come to.
    pub(super) fn new(quantity: Quantity, outcomes: &Outcomes) -> Self {
        let Some(Evidence { steps, sum, spread, buckets, between }) = quantity.evidence(outcomes) else {
            let design_effect = DesignEffect { effect: 1.0, degrees: 0.0 };
            return Self { steps: 0, buckets: 0, sum: 0.0, mean: 0.0, spread: 0.0, design_effect };
        };
        let n = float(steps.into());
        let design_effect = DesignEffect { effect: between / (spread * n), degrees: float(buckets as u128) - 1.0 };
        Self { steps, buckets, sum, mean: sum / n, spread, design_effect }
    }

    /// Both with the greater spread of the two: a version that has not met what is rare does not know how much it varies.
    pub(super) fn of_common_spread(self, other: Self) -> (Self, Self) {
        let spread = self.spread.max(other.spread);
        (Self { spread, ..self }, Self { spread, ..other })
    }

    fn steps(&self) -> f64 {
        float(self.steps.into())
    }

    /// How many times as much the mean varies because steps of its keys correlate.
    pub(super) fn design_effect(&self) -> DesignEffect {
        self.design_effect
    }

    /// The variance of the mean of independent steps, if the truth were `mean`: where errors are rare, those that there are
    /// say too little.
    pub(super) fn variance(&self, quantity: Quantity, mean: f64) -> f64 {
        let spread = match quantity {
            Quantity::Errors => spread_at(mean),
            Quantity::Latency | Quantity::Measure(_) => self.spread,
        };
        spread / self.steps()
    }

    /// How skewed the mean of independent steps is, upwards.
    pub(super) fn skew(&self, quantity: Quantity) -> f64 {
        match quantity {
            Quantity::Errors => 1.0 / (3.0 * self.steps()),
            Quantity::Latency | Quantity::Measure(_) => 0.0,
        }
    }

    /// The share of errors, with one error and one success more, so that it is neither 0 nor 1.
    pub(super) fn rate(&self) -> f64 {
        smoothed(self.sum, self.steps())
    }

    /// The same over the steps of both.
    pub(super) fn common_rate(&self, other: &Self) -> f64 {
        smoothed(self.sum + other.sum, self.steps() + other.steps())
    }
}

impl DesignEffect {
    /// What both versions show together.
    pub(super) fn pooled(self, other: Self) -> Self {
        let degrees = self.degrees + other.degrees;
        Self { effect: (self.effect * self.degrees + other.effect * other.degrees) / degrees, degrees }
    }

    /// The factor of a variance: at least 1, and wider because so few buckets show it.
    pub(super) fn factor(self, alpha: f64) -> f64 {
        let student = student_factor(self.degrees, alpha);
        (self.effect * student * student).max(1.0)
    }
}

fn smoothed(errors: f64, n: f64) -> f64 {
    (errors + 1.0) / (n + 2.0)
}

/// The variance of a step that fails at this rate.
fn spread_at(rate: f64) -> f64 {
    let rate = rate.min(1.0);
    rate * (1.0 - rate)
}

/// The variance over clusters of the sum of all: B/(B−1)·Σ(S_b − m·n_b)² (Cochran, "Sampling Techniques", 1977, section
/// 9A). 0 if there is one bucket.
fn between_buckets(sums: &[BucketSum], mean: f64) -> f64 {
    if sums.len() < 2 {
        return 0.0;
    }
    let residual = |BucketSum { steps, sum }: &BucketSum| sum - mean * float((*steps).into());
    let squares: f64 = sums.iter().map(residual).map(|residual| residual * residual).sum();
    let buckets = float(sums.len() as u128);
    buckets / (buckets - 1.0) * squares
}
