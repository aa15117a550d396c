use super::*;
use proptest::prelude::*;

const WIDTH: usize = 4;

/// A small engine, so that tests are fast.
fn small() -> Parameters {
    Parameters::default().with([("latent_dim", 6.0), ("N", 2.0), ("C_w", 5.0), ("W_r", 0.8)]).unwrap()
}

fn step(state: &mut CoreState, input: &[f64]) -> CoreStep {
    let parameters = state.parameters();
    let noise = draw::rollout_noise(1, state.steps() + 1, parameters.rollouts(), parameters.latent_dim());
    state.step(input, &noise).unwrap()
}

/// A state after `steps` steps of a slow swing.
fn after(steps: u32, parameters: Parameters) -> CoreState {
    let mut state = CoreState::new(1, WIDTH, parameters);
    for k in 0..steps {
        let angle = f64::from(k) / 5.0;
        step(&mut state, &[angle.sin(), angle.cos(), 0.5, -angle.sin()]);
    }
    state
}

#[test]
fn latents_and_working_memory_stay_within_their_bounds() {
    for (steps, latents, working) in [(0, 0, 0), (1, 1, 1), (4, 4, 4), (5, 4, 5), (50, 4, 5)] {
        let state = after(steps, small());
        assert_eq!((state.latents().len(), state.working().len()), (latents, working), "{steps} steps");
    }
}

#[test]
fn the_last_latent_is_kept_where_none_is_retained() {
    let state = after(5, small().with([("W_r", 0.001)]).unwrap());
    assert_eq!(state.latents().len(), 1);
}

#[test]
fn nigredo_clears_what_the_present_hangs_on_and_nothing_else() {
    let before = after(30, small());
    assert!(!before.episodic().is_empty());
    let mut state = before.clone();
    state.intervene(Action::Nigredo);
    assert_eq!((state.latents().len(), state.working().len(), state.noise().value()), (0, 0, 1.5));
    assert_eq!((state.steps(), state.time()), (before.steps(), before.time()));
    assert!(state.episodic().keys().eq(before.episodic().keys()));
    assert_eq!(state.transition(), before.transition());
    // Nothing was expected, so nothing can be wrong with it, and nothing is learned.
    assert_eq!(step(&mut state, &[3.0, -3.0, 3.0, -3.0]).metrics.prediction_error, 0.0);
    assert_eq!(state.transition(), before.transition());
}

#[test]
fn albedo_moves_the_noise_alone() {
    let mut state = after(30, small());
    state.intervene(Action::Nigredo);
    step(&mut state, &[0.1; WIDTH]);
    let before = state.clone();
    state.intervene(Action::Albedo);
    assert_eq!(state.noise().value(), 0.8);
    assert!(state.latents().eq(before.latents()));
    assert_eq!((state.working(), state.transition()), (before.working(), before.transition()));
}

#[test]
fn a_steady_input_is_learned() {
    let mut state = CoreState::new(3, 16, Parameters::default());
    let errors: Vec<f64> = (0..200).map(|_| step(&mut state, &[0.3; 16]).metrics.prediction_error).collect();
    assert_eq!(errors[0], 0.0);
    assert!(errors[1] > 0.1 && errors[199] < 0.01 * errors[1], "{} and {}", errors[1], errors[199]);
}

#[test]
fn the_episodic_memory_stays_within_its_capacity() {
    // Every moment is memorable.
    let parameters = small().with([("pe_low", 0.0), ("pe_high", 1000.0), ("latent_dim", 2.0)]).unwrap();
    let mut state = CoreState::new(1, 1, parameters);
    for k in 1..=5000_u64 {
        step(&mut state, &[libm::sin(k as f64)]);
        assert_eq!(state.episodic().len(), EpisodicMemory::<u64>::held(k), "step {k}");
        assert!(state.episodic().len() <= EPISODIC_CAPACITY);
    }
    // The oldest went.
    assert_eq!(state.episodic().oldest(), Some(&(5001 - state.episodic().len() as u64)));
}

#[test]
fn arrays_that_do_not_fit_are_refused_and_nothing_changes() {
    let parameters = small();
    let refused = |encoder: (usize, usize), transition: (usize, usize)| {
        let made = (Matrix::zeros(encoder.0, encoder.1), Matrix::zeros(transition.0, transition.1));
        CoreState::given(made.0, made.1, small()).unwrap_err().to_string()
    };
    assert_eq!(refused((5, 4), (6, 6)), "the encoder is (5, 4), the field takes (6, 4)");
    assert_eq!(refused((6, 4), (6, 5)), "the transition is (6, 5), the field takes (6, 6)");

    let mut state = after(3, parameters);
    for (input, noise, want) in [
        (&[0.0; 3][..], (2, 6), "the encoder is (6, 4), the field takes (6, 3)"),
        (&[0.0; 4], (3, 6), "the rollout noise is (3, 6), the field takes (2, 6)"),
    ] {
        assert_eq!(state.step(input, &Matrix::zeros(noise.0, noise.1)).unwrap_err().to_string(), want);
        assert_eq!(state.steps(), 3);
    }
}

proptest! {
    #[test]
    fn scoring_changes_nothing_and_gives_the_same_bits(
        inputs in prop::collection::vec(prop::collection::vec(-3.0..3.0, WIDTH), 1..40),
    ) {
        let mut state = CoreState::new(9, WIDTH, small());
        for input in &inputs {
            let noise = draw::rollout_noise(9, state.steps() + 1, 2, 6);
            let first = state.score(input, &noise).unwrap();
            let second = state.score(input, &noise).unwrap();
            prop_assert_eq!(first.metrics.to_array().map(f64::to_bits), second.metrics.to_array().map(f64::to_bits));
            let step = state.step(input, &noise).unwrap();
            prop_assert_eq!(step.metrics.to_array().map(f64::to_bits), first.metrics.to_array().map(f64::to_bits));
        }
        let mut again = CoreState::new(9, WIDTH, small());
        for input in &inputs {
            step_with(&mut again, input);
        }
        prop_assert_eq!(again.transition(), state.transition());
        prop_assert_eq!(again.time(), state.time());
    }
}

fn step_with(state: &mut CoreState, input: &[f64]) {
    let noise = draw::rollout_noise(9, state.steps() + 1, 2, 6);
    state.step(input, &noise).unwrap();
}
