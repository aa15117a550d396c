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
//! What is left out: when to look, and what follows. [`crate::Rollout`] says that.

use crate::{outcome::Outcomes, plan::Plan};
use limits::Limits;

mod estimate;
mod judgement;
mod limits;
mod sequence;

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
    let gates = [(Gate::ErrorRate, plan.error_rate()), (Gate::Latency, plan.latency_factor())];
    let judged = gates.into_iter().filter_map(|(gate, threshold)| {
        let alpha = gate_alpha(gate) * step_share(step);
        let limits = Limits { gate, threshold: threshold?, alpha, steps_min: plan.predictions_min() };
        Some(limits.judge(canary, champion))
    });
    judged.collect()
}

/// What a gate may spend of [`ALPHA`]. Errors are rare, so that they need most of it; latencies are there with every step.
fn gate_alpha(gate: Gate) -> f64 {
    match gate {
        Gate::ErrorRate => ALPHA * 0.9,
        Gate::Latency => ALPHA * 0.1,
    }
}

/// What a step of the schedule may spend of that: four fifths of what is left. Later steps have more of the traffic.
fn step_share(step: usize) -> f64 {
    (0..step.min(64)).fold(0.8, |share, _| share / 5.0)
}
