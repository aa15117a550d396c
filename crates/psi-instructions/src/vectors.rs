//! Scenarios of one vector, without a replica: what `psi-stats` and `psi-engine` do with it.

use std::hint::black_box;

use ndarray::ArrayView1;
use psi_engine::{
    Action, EngineKind, Parameters,
    core::{CoreState, EPISODIC_CAPACITY, draw},
    fold_noise, synthetic,
};
use psi_stats::{Fixed, Moments, Scale, quantize};

use crate::counter::counted_by_valgrind;
use crate::replicas::{WIDTH, input, setup};

const SEED: u64 = 1;

fn ordinary(repetitions: u64) -> Vec<Vec<f64>> {
    (0..repetitions).map(|n| input(n, WIDTH)).collect()
}

/// As far from 0 as the scale allows, with a last place that is set.
fn widest(repetitions: u64) -> Vec<Vec<f64>> {
    let limit = Scale::default().limit();
    let enlarged = |number: f64| {
        let below = limit * (1.0 - number.abs().min(1.0) / 1000.0);
        f64::from_bits(below.next_down().to_bits() | 1).copysign(number)
    };
    ordinary(repetitions).into_iter().map(|input| input.into_iter().map(enlarged).collect()).collect()
}

fn quantized(input: &[f64]) -> Vec<Fixed> {
    quantize(input, Scale::default()).expect("within the limit")
}

pub(crate) fn quantize_ordinary(repetitions: u64) {
    quantize_all(&ordinary(repetitions));
}

pub(crate) fn quantize_widest(repetitions: u64) {
    quantize_all(&widest(repetitions));
}

fn quantize_all(inputs: &[Vec<f64>]) {
    for input in inputs {
        counted_by_valgrind(|| quantized(black_box(input)));
    }
}

pub(crate) fn moments_add_ordinary(repetitions: u64) {
    add_all(&ordinary(repetitions));
}

pub(crate) fn moments_add_widest(repetitions: u64) {
    add_all(&widest(repetitions));
}

fn add_all(inputs: &[Vec<f64>]) {
    let mut moments = Moments::new(WIDTH);
    for input in inputs {
        let fixed = quantized(input);
        counted_by_valgrind(|| moments.add(black_box(&fixed)).expect("far below the limit"));
        black_box(&moments);
    }
}

pub(crate) fn synthetic_score(repetitions: u64) {
    let (noise, parameters) = (fold_noise([Action::Nigredo]), Parameters::default());
    for input in ordinary(repetitions) {
        let input = ArrayView1::from(&input);
        counted_by_valgrind(|| synthetic::score(black_box(input), noise, black_box(&parameters)));
    }
}

/// The noise of its rollouts included. Some steps past the one that sheds the oldest tenth, since few do.
pub(crate) fn core_step_full_memory(repetitions: u64) {
    let parameters = setup(EngineKind::Core, WIDTH, &[]).parameters;
    let (rollouts, dimensions) = (parameters.rollouts(), parameters.latent_dim());
    let mut state = CoreState::new(SEED, WIDTH, parameters);
    let mut step = |is_counted: bool| {
        let input = input(state.steps(), WIDTH);
        let mut work = || {
            let noise = draw::rollout_noise(SEED, state.steps() + 1, rollouts, dimensions);
            state.step(black_box(&input), &noise).expect("shapes fit")
        };
        if is_counted {
            counted_by_valgrind(work)
        } else {
            work()
        };
    };
    (0..EPISODIC_CAPACITY + 50).for_each(|_| step(false));
    (0..repetitions).for_each(|_| step(true));
    let held = state.episodic().len();
    assert!((EPISODIC_CAPACITY * 9 / 10..EPISODIC_CAPACITY).contains(&held), "{held} memories");
}
