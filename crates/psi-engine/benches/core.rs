//! Engine `core`: what a step costs, by how much is remembered and by how many steps were taken.
//!
//! `cargo bench -p psi-engine --bench core`. A step draws the noise of its rollouts, is scored and taken in.

use std::cell::RefCell;
use std::hint::black_box;

use divan::Bencher;
use psi_engine::Parameters;
use psi_engine::core::{
    Blend, CoreState, EPISODIC_CAPACITY, EPISODIC_EVICTED, EpisodicMemory, FixedTransition, Matrix, View, absorb, draw,
    score,
};

const SEED: u64 = 1;
const WIDTH: usize = 16;

fn main() {
    divan::main();
}

/// Inputs that don't repeat.
fn input(step: u64) -> Vec<f64> {
    draw::rollout_noise(SEED ^ 1, step, 1, WIDTH).numbers().to_vec()
}

/// Every step is remembered, or none is.
fn parameters(remembering: bool) -> Parameters {
    let band = if remembering { [0.0, 1000.0] } else { [1000.0, 1000.0] };
    let tau = if remembering { 0.0 } else { 1.0 };
    let changes = [("pe_low", band[0]), ("pe_high", band[1]), ("tau_psi", tau)];
    Parameters::default().with(changes).expect("valid parameters")
}

fn noise(state: &CoreState) -> Matrix {
    let parameters = state.parameters();
    draw::rollout_noise(SEED, state.steps() + 1, parameters.rollouts(), parameters.latent_dim())
}

fn stepped(steps: u64, parameters: Parameters) -> CoreState {
    let mut state = CoreState::new(SEED, WIDTH, parameters);
    for step in 0..steps {
        state.step(&input(step), &noise(&state)).expect("shapes fit");
    }
    state
}

fn bench_steps(bencher: Bencher<'_, '_>, state: CoreState) {
    let state = RefCell::new(state);
    bencher.with_inputs(|| input(state.borrow().steps())).bench_local_values(|input| {
        let mut state = state.borrow_mut();
        let noise = noise(&state);
        black_box(state.step(&input, &noise).expect("shapes fit"))
    });
}

/// No episodic memory, and none comes.
#[divan::bench(sample_count = 2000)]
fn step_empty_memory(bencher: Bencher<'_, '_>) {
    bench_steps(bencher, stepped(20, parameters(false)));
}

/// The episodic memory goes through its last tenth again and again: from 3,688 to 4,096 memories. The argument is the
/// number of steps before.
#[divan::bench(args = [4096, 40_000, 400_000], sample_count = 2000)]
fn step_full_memory(bencher: Bencher<'_, '_>, steps: u64) {
    bench_steps(bencher, stepped(steps, parameters(true)));
}

/// Scoring alone, with exactly 4,096 memories.
#[divan::bench]
fn score_full_memory(bencher: Bencher<'_, '_>) {
    let state = stepped(EPISODIC_CAPACITY as u64, parameters(true));
    assert_eq!(state.episodic().len(), EPISODIC_CAPACITY, "every step is remembered");
    let (input, noise) = (input(0), noise(&state));
    bencher.bench(|| state.score(black_box(&input), black_box(&noise)));
}

/// The same vector again and again: 4,096 memories with equal cosines.
#[divan::bench]
fn score_full_memory_of_one_vector(bencher: Bencher<'_, '_>) {
    let mut state = CoreState::new(SEED, WIDTH, parameters(true));
    let input = input(0);
    for _ in 0..EPISODIC_CAPACITY {
        state.step(&input, &noise(&state)).expect("shapes fit");
    }
    let noise = noise(&state);
    bencher.bench(|| state.score(black_box(&input), black_box(&noise)));
}

/// The largest field that parameters allow: 128 numbers a latent, 128 rollouts, 1,024 latents retained, 4,096 memories.
#[divan::bench(sample_count = 20)]
fn step_largest_field(bencher: Bencher<'_, '_>) {
    let changes = [("latent_dim", 128.0), ("N", 128.0), ("W_r", 102.4), ("dt", 0.1)];
    let parameters = Parameters::default().with(changes).expect("valid parameters");
    let dimensions = parameters.latent_dim();
    let encoder = draw::encoder(SEED, dimensions, WIDTH);
    let mut transition = draw::first_transition(SEED, dimensions);
    let vectors = draw::rollout_noise(SEED, 0, EPISODIC_CAPACITY, dimensions);
    let latents: Vec<&[f64]> = vectors.rows().collect();
    let mut episodic = EpisodicMemory::new(dimensions);
    latents.iter().enumerate().for_each(|(key, vector)| episodic.insert(key, vector));
    let retained = &latents[..parameters.retention()];
    bencher.bench_local(|| {
        let noise = draw::rollout_noise(SEED, 1, parameters.rollouts(), dimensions);
        let view = View {
            encoder: &encoder,
            transition: &transition,
            latents: retained,
            working_memories: 0,
            episodic: &episodic,
        };
        let scored = score(&input(0), view, &noise, &parameters).expect("shapes fit");
        let absorbed = absorb(&scored, retained.last().copied(), &parameters);
        absorbed.learning.expect("there is a last latent").apply(&mut transition);
    });
}

/// Recall alone, with 4,096 memories: most of a step.
#[divan::bench]
fn recall_full_memory(bencher: Bencher<'_, '_>) {
    let state = stepped(EPISODIC_CAPACITY as u64, parameters(true));
    let latent = state.latents().last().expect("steps were taken").to_vec();
    bencher.bench(|| state.episodic().recall(black_box(&latent)));
}

/// What one step in 409 pays on top: the oldest tenth goes.
#[divan::bench]
fn evict_oldest_tenth(bencher: Bencher<'_, '_>) {
    let state = stepped(EPISODIC_CAPACITY as u64, parameters(true));
    bencher.with_inputs(|| state.episodic().clone()).bench_local_refs(|memory| {
        memory.remove_oldest(EPISODIC_EVICTED);
    });
}

/// What sharing the transition costs a step: the own one is replaced in the blend, and the mean read.
#[divan::bench]
fn blend_changed_transition(bencher: Bencher<'_, '_>) {
    let before = FixedTransition::from_matrix(&draw::first_transition(SEED, 32));
    let mut blend = Blend::new(32);
    blend.add(&before, 1000);
    blend.add(&FixedTransition::from_matrix(&draw::first_transition(SEED + 1, 32)), 1000);
    let learned = draw::first_transition(SEED + 2, 32);
    bencher.bench_local(|| {
        let after = FixedTransition::from_matrix(black_box(&learned));
        blend.remove(&before, 1000);
        blend.add(&after, 1001);
        let mean = blend.mean();
        blend.remove(&after, 1001);
        blend.add(&before, 1000);
        mean
    });
}

/// The noise of one step: 8 × 32 normal numbers.
#[divan::bench]
fn rollout_noise() -> Matrix {
    draw::rollout_noise(black_box(SEED), black_box(7), 8, 32)
}
