//! Gates: whether the canary does worse than the champion, looked at as often as anyone likes.
//!
//! A canary that is as good as the champion crosses the bound of FAIL at any look of its whole rollout with a probability
//! of at most [`ALPHA`], as far as the normal approximation holds. One that is as bad as the margin crosses that of PASS
//! as rarely. A z-test that is repeated each minute has no such bound.
//!
//! Measured with 10,000 rollouts of each kind, looks each minute and 50 steps of the canary a minute at first
//! (`tests/rollout/rates.rs`, seed 2026; tuned on seed 1). In brackets: with correlated keys.
//!
//! | canary | rolled back | promoted | median minute of roll-back |
//! |---|---|---|---|
//! | healthy, 2 % errors | 0.12 % (0.19 %) | 99.88 % (99.81 %) | |
//! | healthy, 0.1 % errors | 0.04 % | 99.96 % | |
//! | twice the errors | 100 % (100 %) | 0 | 19 (30) |
//! | three times the errors | 100 % (100 %) | 0 | 6 (10) |
//! | latency × 1.5 | 100 % (100 %) | 0 | 6 (9) |
//!
//! Beside them a gate may watch a value that steps have. 2,000 rollouts of each kind (the same test with
//! `PSI_RATES_ONLY=novelty PSI_RATES_ROLLOUTS=2000`), where a margin is a fifth of the standard deviation, or a seventh where
//! values are rare and large:
//!
//! | the canary's value | rolled back | promoted | median minute of roll-back |
//! |---|---|---|---|
//! | healthy | 0.1 % | 99.9 % | |
//! | higher by the margin | 100 % | 0 | 17 |
//! | lower by the margin, which must not be | 100 % | 0 | 16 |
//! | healthy, rare and large | 0 | 100 % | |
//! | higher by the margin, rare and large | 100 % | 0 | 34 |
//!
//! //! What is left out: when to look, and what follows. [`crate::Rollout`] says that.

use crate::{outcome::Outcomes, plan::Plan};
use limits::{Limits, Threshold};

mod drift;
mod estimate;
mod judgement;
mod limits;
mod sequence;

pub(crate) use drift::DriftLimits;
pub use drift::{DriftComparison, DriftState, DriftVerdict};
pub use estimate::BUCKETS_MIN;
pub use judgement::{Comparison, Gate, HoldReason, Judgement, Verdict};
pub use limits::{ERROR_RATE_FLOOR, LATENCY_SLACK};

/// The probability that a healthy canary is ever called bad, over all looks, gates and steps of a schedule.
pub const ALPHA: f64 = 0.005;

/// What the gates of a plan say about step `step` (from 0) of its schedule, by what was counted in that step.
///
/// Outcomes of earlier steps stay out: they were measured at other times of the day, in other shares. Each step has an
/// α of its own instead, a fifth of that of the step before, so that all together stay below [`ALPHA`].
#[must_use]
pub fn judge(plan: &Plan, step: usize, canary: &Outcomes, champion: &Outcomes) -> Vec<Judgement> {
    let share = step_share(step);
    let judged = thresholds(plan).map(|(threshold, alpha)| {
        Limits { threshold, alpha: alpha * share, steps_min: plan.predictions_min() }.judge(canary, champion)
    });
    judged.collect()
}

/// What the plan asks for, and what each gate may spend of [`ALPHA`]. Errors are rare, so that they need most of it;
/// latencies are there with every step. Measures, where there are any, have a tenth together.
fn thresholds(plan: &Plan) -> impl Iterator<Item = (Threshold<'_>, f64)> {
    let measures = plan.measures();
    let (rest, each) =
        if measures.is_empty() { (ALPHA, 0.0) } else { (ALPHA * 0.9, ALPHA * 0.1 / count(measures.len())) };
    let errors = plan.error_rate().map(|threshold| (Threshold::ErrorRate(threshold), rest * 0.9));
    let latency = plan.latency_factor().map(|threshold| (Threshold::Latency(threshold), rest * 0.1));
    let measures = measures.iter().enumerate();
    let measures = measures.map(move |(place, measure)| (Threshold::Measure(place, measure), each));
    errors.into_iter().chain(latency).chain(measures)
}

#[expect(clippy::cast_precision_loss, reason = "a few")]
fn count(measures: usize) -> f64 {
    measures as f64
}

/// What a step of the schedule may spend of that: four fifths of what is left. Later steps have more of the traffic.
fn step_share(step: usize) -> f64 {
    (0..step.min(64)).fold(0.8, |share, _| share / 5.0)
}
