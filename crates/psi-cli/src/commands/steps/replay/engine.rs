//! An engine on one machine alone, with or without a guardian.

use psi_engine::{
    Action, EngineKind, Metrics, Noise, Parameters,
    core::{CoreState, FieldTime, Matrix, ShapeError, draw},
    guardian::Watch,
    synthetic,
};

/// What engine `core` starts from, where it is not drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Start {
    /// Latent × input.
    pub(super) encoder: Matrix,
    /// Latent × latent.
    pub(super) transition: Matrix,
}

/// A step's answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    /// Steps so far, this one included.
    pub(super) k: u64,
    /// In the order of [`Outcome::NAMES`].
    pub(super) numbers: [f64; Outcome::COUNT],
}

impl Outcome {
    pub(super) const COUNT: usize = Metrics::COUNT + 2;
    /// What programs call the numbers.
    pub(super) const NAMES: [&'static str; Self::COUNT] = after(Metrics::SYMBOLS, ["t", "att_gain"]);
    /// What people call them.
    pub(super) const SYMBOLS: [&'static str; Self::COUNT] = after(Metrics::LETTERS, ["t", "att_gain"]);
    /// Where t is, which only grows; the others are gauges.
    pub(super) const T: usize = Metrics::COUNT;

    fn new(k: u64, metrics: Metrics, t: f64, attention_gain: f64) -> Self {
        Self { k, numbers: after(metrics.to_array(), [t, attention_gain]) }
    }
}

/// What each metric has, and then what the two numbers after them have.
const fn after<T: Copy>(metrics: [T; Metrics::COUNT], [t, gain]: [T; 2]) -> [T; Outcome::COUNT] {
    let [psi, c, u, phi, h, pe, m, dt] = metrics;
    [psi, c, u, phi, h, pe, m, dt, t, gain]
}

/// One run of an engine from its start.
#[derive(Clone, Debug)]
pub(super) struct Run {
    state: State,
    guardian: Option<Watch>,
    /// The guardian's interventions, with their steps.
    pub(super) interventions: Vec<(u64, Action)>,
}

#[derive(Clone, Debug)]
enum State {
    Synthetic { parameters: Box<Parameters>, noise: Noise, steps: u64, time: FieldTime },
    Core { state: Box<CoreState>, seed: u64 },
}

impl Run {
    /// A fresh engine for inputs of `width` numbers. `core` starts from `start`, or from what is drawn by `seed`.
    ///
    /// # Errors
    /// If `start` doesn't fit the parameters.
    pub(super) fn new(
        engine: EngineKind,
        seed: u64,
        width: usize,
        parameters: &Parameters,
        start: Option<&Start>,
        guardian: bool,
    ) -> Result<Self, ShapeError> {
        let core = |state| State::Core { state: Box::new(state), seed };
        let state = match start.filter(|_| engine == EngineKind::Core) {
            Some(Start { encoder, transition }) => {
                core(CoreState::given(encoder.clone(), transition.clone(), parameters.clone())?)
            }
            None if engine == EngineKind::Core => core(CoreState::new(seed, width, parameters.clone())),
            None => State::Synthetic {
                parameters: Box::new(parameters.clone()),
                noise: Noise::ZERO,
                steps: 0,
                time: FieldTime::default(),
            },
        };
        Ok(Self { state, guardian: guardian.then(Watch::default), interventions: Vec::new() })
    }

    /// Whether a guardian intervenes.
    pub(super) fn has_guardian(&self) -> bool {
        self.guardian.is_some()
    }

    /// Scores `input` and takes it in; then the guardian looks at it. `noise` (rollouts × latent) is for `core`, which
    /// else draws it by its seed.
    ///
    /// # Errors
    /// If a shape doesn't fit; nothing has changed then.
    pub(super) fn step(&mut self, input: &[f64], noise: Option<&Matrix>) -> Result<Outcome, ShapeError> {
        let (outcome, metrics) = self.state.step(input, noise)?;
        let verdict = self.guardian.as_mut().map(|watch| watch.observe(outcome.k, &metrics));
        if let Some(action) = verdict.and_then(|verdict| verdict.intervention) {
            self.state.intervene(action);
            self.interventions.push((outcome.k, action));
        }
        Ok(outcome)
    }
}

impl State {
    fn step(&mut self, input: &[f64], noise: Option<&Matrix>) -> Result<(Outcome, Metrics), ShapeError> {
        match self {
            Self::Synthetic { parameters, noise, steps, time } => {
                let metrics = synthetic::score(input.into(), *noise, parameters);
                *steps += 1;
                *time = time.plus(FieldTime::of_step(metrics.time_dilation));
                let [g0, g1, g2] = parameters.gains();
                let gain = g0 + g1 * metrics.density - g2 * metrics.prediction_error + 0.0;
                Ok((Outcome::new(*steps, metrics, time.seconds(), gain), metrics))
            }
            Self::Core { state, seed } => {
                let (rollouts, latent) = (state.parameters().rollouts(), state.parameters().latent_dim());
                let step = match noise {
                    Some(noise) => state.step(input, noise)?,
                    None => state.step(input, &draw::rollout_noise(*seed, state.steps() + 1, rollouts, latent))?,
                };
                Ok((Outcome::new(step.k, step.metrics, step.t, step.attention_gain), step.metrics))
            }
        }
    }

    fn intervene(&mut self, action: Action) {
        match self {
            Self::Synthetic { noise, .. } => *noise = noise.after(action),
            Self::Core { state, .. } => state.intervene(action),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INCIDENT: [f64; 16] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.0, -0.1, 0.2, 0.9, -0.4, 0.1, 0.0, 0.2, -0.2, 0.3, 0.1];

    fn run(engine: EngineKind, seed: u64, guardian: bool) -> Run {
        Run::new(engine, seed, 16, &Parameters::default(), None, guardian).unwrap()
    }

    #[test]
    fn synthetic_sums_its_time_and_has_a_gain() {
        let mut run = run(EngineKind::Synthetic, 0, false);
        let first = run.step(&INCIDENT, None).unwrap();
        let second = run.step(&INCIDENT, None).unwrap();
        let [psi, .., dt_eff, t, gain] = first.numbers;
        assert_eq!((first.k, second.k, t), (1, 2, dt_eff));
        assert!((second.numbers[Outcome::T] - 2.0 * dt_eff).abs() < 1e-15);
        assert_eq!(gain, 1.0 + 0.5 * psi - 0.2 * first.numbers[5]);
    }

    #[test]
    fn core_is_drawn_by_its_seed() {
        let outcome = |seed| run(EngineKind::Core, seed, false).step(&INCIDENT, None).unwrap();
        assert_eq!(outcome(1), outcome(1));
        assert_ne!(outcome(1), outcome(2));
    }

    #[test]
    fn the_guardian_intervenes_and_the_engine_feels_it() {
        let mut run = run(EngineKind::Synthetic, 0, true);
        let mut wild = INCIDENT;
        wild[15] = 4.0;
        let before = run.step(&INCIDENT, None).unwrap().numbers[5];
        run.step(&wild, None).unwrap();
        assert_eq!(run.interventions, [(2, Action::Nigredo)]);
        let after = run.step(&INCIDENT, None).unwrap().numbers[5];
        assert!((after - before - 1.5).abs() < 1e-12, "{before}, {after}");
    }
}
