//! What is known of one version: a mean, and how far it may be off.

use super::{judgement::Gate, sequence::student_factor};
use crate::outcome::{Outcomes, Tally};

/// Fewest buckets of keys by which a version is judged: below, nobody knows how its keys differ.
pub const BUCKETS_MIN: usize = 16;

/// A mean over steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    /// Steps.
    pub(super) steps: u64,
    /// Buckets that hold steps.
    pub(super) buckets: usize,
    /// The sum: errors, or microseconds.
    pub(super) sum: f64,
    /// The mean: a share, or microseconds. 0 without a step.
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

/// Steps and their sum, as a gate counts them.
fn counted(gate: Gate, tally: &Tally) -> (u64, u128) {
    match gate {
        Gate::ErrorRate => (tally.steps, u128::from(tally.errors)),
        Gate::Latency => (tally.timed_steps, tally.latency_us),
    }
}

impl Estimate {
    /// What the outcomes of a version come to.
    pub(super) fn new(gate: Gate, outcomes: &Outcomes) -> Self {
        let (steps, sum) = counted(gate, outcomes.total());
        let buckets = outcomes.buckets().iter().filter(|tally| counted(gate, tally).0 > 0).count();
        if steps == 0 {
            let design_effect = DesignEffect { effect: 1.0, degrees: 0.0 };
            return Self { steps, buckets, sum: 0.0, mean: 0.0, spread: 0.0, design_effect };
        }
        let (n, sum) = (float(steps.into()), float(sum));
        let mean = sum / n;
        let spread = match gate {
            Gate::ErrorRate => spread_at(smoothed(sum, n)),
            // What was rounded to a microsecond varies by at least a twelfth of its square.
            Gate::Latency => (float(outcomes.total().latency_us_squares) / n - mean * mean).max(1.0 / 12.0),
        };
        let effect = between_buckets(gate, outcomes, mean, buckets) / (spread * n);
        let design_effect = DesignEffect { effect, degrees: float(buckets as u128 - 1) };
        Self { steps, buckets, sum, mean, spread, design_effect }
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
    pub(super) fn variance(&self, gate: Gate, mean: f64) -> f64 {
        let spread = match gate {
            Gate::ErrorRate => spread_at(mean),
            Gate::Latency => self.spread,
        };
        spread / self.steps()
    }

    /// How skewed the mean of independent steps is, upwards.
    pub(super) fn skew(&self, gate: Gate) -> f64 {
        match gate {
            Gate::ErrorRate => 1.0 / (3.0 * self.steps()),
            Gate::Latency => 0.0,
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
fn between_buckets(gate: Gate, outcomes: &Outcomes, mean: f64, buckets: usize) -> f64 {
    if buckets < 2 {
        return 0.0;
    }
    let residual = |tally: &Tally| {
        let (steps, sum) = counted(gate, tally);
        float(sum) - mean * float(steps.into())
    };
    let squares: f64 = outcomes.buckets().iter().map(residual).map(|residual| residual * residual).sum();
    float(buckets as u128) / float(buckets as u128 - 1) * squares
}
