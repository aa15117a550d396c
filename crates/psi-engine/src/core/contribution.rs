//! What a step adds to what is remembered: never applied here, so that a caller can write it down first.

use super::numeric::dot;
use super::{Matrix, Score, product};
use crate::Parameters;

/// How much of an error one step corrects.
const LEARNING_RATE: f64 = 0.05;

/// Keeps the correction finite when the last latent was zero.
const LEARNING_GUARD: f64 = 1e-6;

/// What a step adds.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// P, the newest of the latents.
    pub latent: Vec<f64>,
    /// φ, which goes to working memory and, if memorable, to episodic memory.
    pub moment: Vec<f64>,
    /// How much φ matters to working memory: max(0, Ψ − PE/2).
    pub salience: f64,
    /// Whether φ goes to episodic memory.
    pub memorable: bool,
    /// How the transition changes; none where nothing was expected.
    pub learning: Option<TransitionUpdate>,
    /// How far the field's time moves, seconds.
    pub dt_eff: f64,
}

/// A change of the transition by an outer product: A ← A − `error`·`previous`ᵀ.
#[derive(Clone, Debug, PartialEq)]
pub struct TransitionUpdate {
    /// 0.05·(A P′ − P) / (P′·P′ + 1e-6).
    pub error: Vec<f64>,
    /// P′.
    pub previous: Vec<f64>,
}

impl TransitionUpdate {
    /// What `transition` learns from `latent` having come after `previous`.
    pub fn of(transition: &Matrix, previous: &[f64], latent: &[f64]) -> Self {
        Self::from_expected(&product(transition, previous), previous, latent)
    }

    fn from_expected(expected: &[f64], previous: &[f64], latent: &[f64]) -> Self {
        let rate = LEARNING_RATE / (dot(previous, previous) + LEARNING_GUARD);
        let error = expected.iter().zip(latent).map(|(expected, came)| rate * (expected - came));
        Self { error: error.collect(), previous: previous.to_vec() }
    }

    /// Makes the change.
    pub fn apply(&self, transition: &mut Matrix) {
        for (row, error) in transition.rows_mut().zip(&self.error) {
            for (number, previous) in row.iter_mut().zip(&self.previous) {
                *number -= error * previous;
            }
        }
    }
}

/// What `score` adds, `previous` being the P′ that it was scored with: the last of [`super::View::latents`].
pub fn absorb(score: &Score, previous: Option<&[f64]>, parameters: &Parameters) -> Contribution {
    let metrics = &score.metrics;
    let dense = metrics.density > parameters.tau_psi() && metrics.continuity > parameters.tau_c();
    let learning = previous.map(|previous| TransitionUpdate::from_expected(&score.expected, previous, &score.latent));
    Contribution {
        latent: score.latent.clone(),
        moment: score.moment.clone(),
        salience: (metrics.density - metrics.prediction_error / 2.0).max(0.0),
        memorable: dense || parameters.memorable_errors().contains(&metrics.prediction_error),
        learning,
        dt_eff: metrics.time_dilation,
    }
}
