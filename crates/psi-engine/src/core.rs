//! Engine `core`: learns to predict, remembers, and looks ahead.
//!
//! An input x becomes a latent P = tanh(E x). The engine compares it with what the transition A, which it learns,
//! expected after the last latent P′; with what it reminds of in the episodic memory; and with N noisy guesses of what
//! comes next. With φ = P + ½·(mean of the latents retained), ctx and q as [`EpisodicMemory::recall`] gives them,
//! f_i = A P + 0.02·ε_i, and θ(v) = atan2(mean v, std v + ε_h):
//!
//! ```text
//! M      = α·(working-memory size / C_w) + β·max(0, q)
//! C      = cos(φ, ctx), 0 when ‖ctx‖ = 0
//! U      = mean over i of cos(P, f_i)
//! Φ      = |mean of e^{i·θ(v)}| over v in {φ}, the latents retained and {f_i}
//! H      = entropy of P, ctx and φ in 32 bins
//! PE     = ‖P − A P′‖, 0 on the first step
//! Ψ      = σ(w1·(ε + M)/dt + w2·C + w3·U + w4·Φ − w5·H − w6·PE)
//! dt_eff = clip(dt·(1 + λ·(1 − Ψ)), dt_min, dt_max)
//! ```
//!
//! [`score`] is a pure function of the input, a [`View`] of what is remembered, the noise ε and the parameters;
//! [`absorb`] says what the step adds to what is remembered. Who holds that, and how it merges, is the caller's:
//! [`CoreState`] is one holder alone, as in the reference. Random numbers that any node repeats come from [`draw`].
//!
//! Every sum runs in one fixed order and no matrix product is left to a library, since those choose their kernels by
//! the CPU. `tests/parity.rs` holds every output to recorded traces within 1e-9.

mod blend;
mod contribution;
pub mod draw;
mod entropy;
mod memory;
mod numeric;
mod phase;
mod state;
mod time;

pub use blend::{Blend, FixedTransition};
pub use contribution::{Contribution, TransitionUpdate, absorb};
pub use memory::{EPISODIC_CAPACITY, EPISODIC_EVICTED, EpisodicMemory, RECALLED, Recall, SalientVector, WorkingMemory};
pub use numeric::Matrix;
pub use state::{CoreState, CoreStep};
pub use time::FieldTime;

pub use Contribution as Absorbed; // until all callers use the new name
pub use Score as Scored; // until all callers use the new name
pub use TransitionUpdate as Learning; // until all callers use the new name

use numeric::{add_scaled, cosine, distance, dot, logistic, norm};

use crate::{Metrics, Parameters};

/// How far a rollout strays from what is expected, in standard deviations of the noise.
const ROLLOUT_NOISE: f64 = 0.02;

/// The share of the past in the moment φ.
const RETENTION_SHARE: f64 = 0.5;

/// What an infinite input counts as, with its sign; as in [`crate::synthetic`].
const INFINITE_INPUT: f64 = 5.0;

/// Inputs are clipped to this so that sums stay finite. tanh is flat long before.
const INPUT_LIMIT: f64 = 1e150;

/// What a step is scored against. Numbers are finite and below 1e100 in size, which nothing that the engine makes comes
/// near.
#[derive(Debug)]
pub struct View<'a, K> {
    /// E, latent × input.
    pub encoder: &'a Matrix,
    /// A, latent × latent.
    pub transition: &'a Matrix,
    /// The latents of the latest steps, oldest first. The last is P′; the last [`Parameters::retention`] are the
    /// retention buffer, and earlier ones are left alone. Empty before the first step and after a nigredo.
    pub latents: &'a [&'a [f64]],
    /// How many vectors working memory holds; more than its capacity count as its capacity.
    pub working_memories: usize,
    /// The episodic memory.
    pub episodic: &'a EpisodicMemory<K>,
}

// By hand, since a derived one would ask for `K: Clone`.
impl<K> Clone for View<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for View<'_, K> {}

/// What a step came to: its answer, and what [`absorb`] needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The metrics, in the ranges that [`Metrics`] documents.
    pub metrics: Metrics,
    /// g0 + g1·Ψ − g2·PE.
    pub attention_gain: f64,
    /// P, each number in [−1, 1].
    pub latent: Vec<f64>,
    /// φ: the present bound to the immediate past, each number in [−1.5, 1.5] but for rounding.
    pub moment: Vec<f64>,
    /// ẑ = A P′, or P on the first step.
    pub expected: Vec<f64>,
}

/// An argument of [`score`] has another shape than the others ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {got:?}, the field takes {want:?}")]
pub struct ShapeError {
    /// Which argument.
    pub what: &'static str,
    /// Its shape, (rows, columns).
    pub got: (usize, usize),
    /// The shape that it should have.
    pub want: (usize, usize),
}

/// Scores `input` against `view`, with `noise` (rollouts × latent, standard normal) for the rollouts.
///
/// Total but for shapes: every input, non-finite ones included, gives finite metrics. NaN counts as 0, +∞ as 5 and −∞
/// as −5, as in [`crate::synthetic`]. The same arguments give the same bits on every CPU.
///
/// # Errors
/// [`ShapeError`] if the encoder isn't `latent_dim` × the input's length, or another argument doesn't fit the
/// parameters.
pub fn score<K: Ord>(
    input: &[f64],
    view: View<'_, K>,
    noise: &Matrix,
    parameters: &Parameters,
) -> Result<Score, ShapeError> {
    check_shapes(input, view, noise, parameters)?;
    let latent = encode(view.encoder, input);
    let expected = view.latents.last().map_or_else(|| latent.clone(), |previous| product(view.transition, previous));
    let retained = &view.latents[view.latents.len().saturating_sub(parameters.retention())..];
    let moment = bind(&latent, retained);
    let recall = view.episodic.recall(&latent);
    let rollouts = roll_out(&product(view.transition, &latent), noise);

    let size = view.working_memories.min(parameters.working_capacity()) as f64;
    let filled = size / parameters.working_capacity() as f64;
    let memory = parameters.alpha() * filled + parameters.beta() * recall.quality.max(0.0);
    let continuity = if norm(&recall.context) == 0.0 { 0.0 } else { cosine(&moment, &recall.context) };
    let futurity = mean(rollouts.rows().map(|future| cosine(&latent, future)));
    let phased = [moment.as_slice()].into_iter().chain(retained.iter().copied()).chain(rollouts.rows());
    let phase_coherence = phase::phase_coherence(phased);
    let temporal_entropy = entropy::temporal_entropy(&[&latent[..], &recall.context, &moment].concat());
    let prediction_error = distance(&latent, &expected);

    let [w1, w2, w3, w4, w5, w6] = parameters.weights();
    let density = logistic(
        w1 * (parameters.epsilon() + memory) / parameters.dt() + w2 * continuity + w3 * futurity + w4 * phase_coherence
            - w5 * temporal_entropy
            - w6 * prediction_error,
    );
    let stretched = parameters.dt() * (1.0 + parameters.lambda() * (1.0 - density));
    let metrics = Metrics {
        density,
        // Rounding can take a mean of phases just past 1, and cosines in many dimensions.
        continuity: continuity.clamp(-1.0, 1.0),
        futurity: futurity.clamp(-1.0, 1.0),
        phase_coherence: phase_coherence.clamp(0.0, 1.0),
        temporal_entropy,
        prediction_error,
        memory,
        time_dilation: stretched.clamp(parameters.dt_min(), parameters.dt_max()),
    };
    Ok(Score {
        metrics: metrics.without_negative_zeros(),
        attention_gain: parameters.attention_gain(density, prediction_error),
        latent,
        moment,
        expected,
    })
}

/// P = tanh(E x)
fn encode(encoder: &Matrix, input: &[f64]) -> Vec<f64> {
    let input: Vec<f64> = input.iter().map(|&number| finite(number)).collect();
    product(encoder, &input).into_iter().map(libm::tanh).collect()
}

fn finite(number: f64) -> f64 {
    if number.is_nan() {
        0.0
    } else if number.is_infinite() {
        INFINITE_INPUT.copysign(number)
    } else {
        number.clamp(-INPUT_LIMIT, INPUT_LIMIT)
    }
}

/// `matrix` times `vector`.
fn product(matrix: &Matrix, vector: &[f64]) -> Vec<f64> {
    matrix.rows().map(|row| dot(row, vector)).collect()
}

/// φ = P + ½·(mean of the latents retained, or 0)
fn bind(latent: &[f64], retained: &[&[f64]]) -> Vec<f64> {
    let mut moment = latent.to_vec();
    if !retained.is_empty() {
        let mut sum = vec![0.0; latent.len()];
        for past in retained {
            add_scaled(&mut sum, 1.0, past);
        }
        add_scaled(&mut moment, RETENTION_SHARE / retained.len() as f64, &sum);
    }
    moment
}

/// f_i = `expected` + 0.02·ε_i, one row each.
fn roll_out(expected: &[f64], noise: &Matrix) -> Matrix {
    let mut futures = noise.clone();
    for future in futures.rows_mut() {
        for (number, expected) in future.iter_mut().zip(expected) {
            *number = expected + ROLLOUT_NOISE * *number;
        }
    }
    futures
}

/// The mean; 0 of nothing.
fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len().max(1) as f64;
    numbers.fold(0.0, |sum, number| sum + number) / count
}

fn check_shapes<K: Ord>(
    input: &[f64],
    view: View<'_, K>,
    noise: &Matrix,
    parameters: &Parameters,
) -> Result<(), ShapeError> {
    let dimensions = parameters.latent_dim();
    let check = |what, got, want| if got == want { Ok(()) } else { Err(ShapeError { what, got, want }) };
    check("the encoder", view.encoder.shape(), (dimensions, input.len()))?;
    check("the transition", view.transition.shape(), (dimensions, dimensions))?;
    check("the rollout noise", noise.shape(), (parameters.rollouts(), dimensions))?;
    check("the episodic memory", (view.episodic.len(), view.episodic.dimensions()), (view.episodic.len(), dimensions))?;
    view.latents.iter().try_for_each(|latent| check("a latent", (1, latent.len()), (1, dimensions)))
}

#[cfg(test)]
mod tests;
