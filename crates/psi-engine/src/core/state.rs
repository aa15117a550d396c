//! One holder of all that engine `core` remembers: the reference's engine, for replay and to test against.

use std::collections::VecDeque;

use super::{
    Contribution, EPISODIC_CAPACITY, EPISODIC_EVICTED, EpisodicMemory, FieldTime, Matrix, SalientVector, Score,
    ShapeError, View, WorkingMemory, absorb, draw, score,
};
use crate::{Action, Metrics, Noise, Parameters};

/// The engine's state on one node alone: steps come one after the other, and memories are keyed by their step.
#[derive(Clone, Debug)]
pub struct CoreState {
    parameters: Parameters,
    encoder: Matrix,
    transition: Matrix,
    /// P′ and the retention buffer, oldest first.
    latents: VecDeque<Vec<f64>>,
    working: WorkingMemory<u64>,
    episodic: EpisodicMemory<u64>,
    noise: Noise,
    steps: u64,
    time: FieldTime,
}

/// The answer to one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoreStep {
    /// k: steps so far, this one included.
    pub k: u64,
    /// t: the sum of all effective steps, seconds.
    pub t: f64,
    /// The metrics.
    pub metrics: Metrics,
    /// g0 + g1·Ψ − g2·PE.
    pub attention_gain: f64,
}

impl CoreState {
    /// A fresh state with the encoder and the transition that belong to `seed`, for inputs of `width` numbers.
    pub fn new(seed: u64, width: usize, parameters: Parameters) -> Self {
        let latent = parameters.latent_dim();
        Self::given(draw::encoder(seed, latent, width), draw::first_transition(seed, latent), parameters)
            .expect("drawn in the shape that the parameters ask for")
    }

    /// A fresh state with an encoder (latent × input) and a first transition (latent × latent).
    ///
    /// # Errors
    /// [`ShapeError`] if one of them doesn't fit the parameters.
    pub fn given(encoder: Matrix, transition: Matrix, parameters: Parameters) -> Result<Self, ShapeError> {
        let latent = parameters.latent_dim();
        let (encoder_shape, transition_shape) = (encoder.shape(), transition.shape());
        for (what, got, want) in [
            ("the encoder", encoder_shape, (latent, encoder_shape.1)),
            ("the transition", transition_shape, (latent, latent)),
        ] {
            if got != want {
                return Err(ShapeError { what, got, want });
            }
        }
        Ok(Self {
            episodic: EpisodicMemory::new(latent),
            parameters,
            encoder,
            transition,
            latents: VecDeque::new(),
            working: WorkingMemory::default(),
            noise: Noise::ZERO,
            steps: 0,
            time: FieldTime::default(),
        })
    }

    /// Scores `input` with `noise` (rollouts × latent) for the rollouts, and takes it in.
    ///
    /// # Errors
    /// [`ShapeError`] if the input or the noise doesn't fit; nothing has changed then.
    pub fn step(&mut self, input: &[f64], noise: &Matrix) -> Result<CoreStep, ShapeError> {
        let score = self.score(input, noise)?;
        let contribution = absorb(&score, self.latents.back().map(Vec::as_slice), &self.parameters);
        self.take_in(contribution);
        let Score { metrics, attention_gain, latent: _, moment: _, expected: _ } = score;
        Ok(CoreStep { k: self.steps, t: self.time.seconds(), metrics, attention_gain })
    }

    /// Scores `input` and leaves the state as it is.
    ///
    /// # Errors
    /// [`ShapeError`] if the input or the noise doesn't fit.
    pub fn score(&self, input: &[f64], noise: &Matrix) -> Result<Score, ShapeError> {
        let latents: Vec<&[f64]> = self.latents.iter().map(Vec::as_slice).collect();
        let view = View {
            encoder: &self.encoder,
            transition: &self.transition,
            latents: &latents,
            working_memories: self.working.len(),
            episodic: &self.episodic,
        };
        score(input, view, noise, &self.parameters)
    }

    fn take_in(&mut self, contribution: Contribution) {
        let Contribution { latent, moment, salience, memorable, learning, dt_eff } = contribution;
        self.steps += 1;
        self.time = self.time.plus(FieldTime::of_step(dt_eff));
        if memorable {
            self.episodic.insert(self.steps, &moment);
            if self.episodic.len() > EPISODIC_CAPACITY {
                self.episodic.remove_oldest(EPISODIC_EVICTED);
            }
        }
        let salient = SalientVector { salience, key: self.steps, vector: moment };
        self.working.insert(salient, self.parameters.working_capacity());
        if let Some(update) = learning {
            update.apply(&mut self.transition);
        }
        self.latents.push_back(latent);
        // P′ is needed even where nothing is retained.
        while self.latents.len() > self.parameters.retention().max(1) {
            self.latents.pop_front();
        }
    }

    /// Applies an intervention: nigredo clears retention, working memory and what was to be predicted; both move ν,
    /// which no metric of this engine depends on. The episodic memory and the transition stay.
    pub fn intervene(&mut self, action: Action) {
        self.noise = self.noise.after(action);
        if action == Action::Nigredo {
            self.latents.clear();
            self.working.clear();
        }
    }

    /// The parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// A as learned so far.
    pub fn transition(&self) -> &Matrix {
        &self.transition
    }

    /// P′ and the latents retained, oldest first.
    pub fn latents(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.latents.iter().map(Vec::as_slice)
    }

    /// Working memory, keyed by step.
    pub fn working(&self) -> &WorkingMemory<u64> {
        &self.working
    }

    /// Episodic memory, keyed by step.
    pub fn episodic(&self) -> &EpisodicMemory<u64> {
        &self.episodic
    }

    /// ν.
    pub fn noise(&self) -> Noise {
        self.noise
    }

    /// t: the sum of all effective steps.
    pub fn time(&self) -> FieldTime {
        self.time
    }

    /// k: steps so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

#[cfg(test)]
mod tests;
