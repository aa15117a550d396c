//! Scenarios of a whole replica.

use prost::Message;
use psi_engine::EngineKind::{self, Core, Synthetic};
use psi_rollout::{KeyHash, Latency, Outcome, Plan, PlanInput, RolloutId, StepKey, WindowTag};
use psi_state::OutcomeReport;

use crate::counter::counted_by_valgrind;
use crate::replicas::{Pair, StepBench, WIDTH, field};

/// Steps before any is counted: all that a guardian and novelty look at is there.
const WARM: u64 = 300;

/// Origins of a large cluster: more than a token lists.
const ORIGINS: usize = 50;

fn warm(engine: EngineKind) -> StepBench {
    StepBench::new(engine, WIDTH).after(WARM)
}

pub(crate) fn step_synthetic(repetitions: u64) {
    steps(warm(Synthetic), repetitions);
}

/// A step of a rollout: it has a key, and its caller says how it went.
pub(crate) fn step_with_outcome(repetitions: u64) {
    reported(repetitions, &[]);
}

/// The same where gates measure novelty and a column, too.
pub(crate) fn step_with_measures(repetitions: u64) {
    reported(repetitions, &["novelty", "column:1"]);
}

/// Steps within one flush, each with its report. To find the bucket of its key is part of it.
fn reported(repetitions: u64, measured: &[&str]) {
    let metric_thresholds = measured.iter().map(|name| ((*name).to_owned(), 0.5)).collect();
    let plan =
        Plan::new(&PlanInput { metric_thresholds, schedule: vec![50.0], ..PlanInput::default() }).expect("a plan");
    let rollout = RolloutId::new("churn-v2-1").expect("an id");
    let keys: Vec<String> = (0..64).map(|number| format!("user-{number}")).collect();
    let mut stepping = warm(Synthetic).every_us(20);
    let step = |stepping: &mut StepBench, input: &[f64], key: &str| {
        let bucket = KeyHash::new(&rollout, StepKey::new(key).expect("a key")).bucket();
        let outcome = Outcome { error: false, latency: Latency::from_ms(12.5).ok() };
        let window = Some((WindowTag { begin: 1, step: 0, rollout: rollout.clone() }, bucket));
        let report = OutcomeReport { outcome: Some(outcome), window, measures: plan.measures().clone() };
        stepping.steps += 1;
        let now = stepping.now();
        stepping.replica.step_with_outcome(now, &field(), input, Some(&report)).expect("a good step")
    };
    for key in &keys {
        let input = stepping.next_input();
        step(&mut stepping, &input, key);
    }
    stepping.replica.flush();
    for key in keys.iter().cycle().take(usize::try_from(repetitions).unwrap_or_default()) {
        let input = stepping.next_input();
        counted_by_valgrind(|| step(&mut stepping, &input, key));
    }
}

/// With as many memories as steps were taken; what a full memory costs is a scenario of the engine's.
pub(crate) fn step_core(repetitions: u64) {
    steps(warm(Core), repetitions);
}

pub(crate) fn step_among_origins(repetitions: u64) {
    steps(StepBench::among(Synthetic, ORIGINS).after(WARM), repetitions);
}

/// Steps within one flush.
fn steps(stepping: StepBench, repetitions: u64) {
    let mut stepping = stepping.every_us(20);
    stepping.replica.flush();
    for _ in 0..repetitions {
        let input = stepping.next_input();
        counted_by_valgrind(|| stepping.step_alone(&input));
    }
}

pub(crate) fn batch(repetitions: u64) {
    const VECTORS: u64 = 64;
    let mut stepping = warm(Synthetic);
    for _ in 0..repetitions {
        let inputs: Vec<Vec<f64>> = (0..VECTORS).map(|n| crate::replicas::input(stepping.steps + n, WIDTH)).collect();
        let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        stepping.steps += VECTORS;
        let now = stepping.now();
        counted_by_valgrind(|| stepping.replica.step_batch(now, &field(), &inputs).expect("good steps"));
        stepping.replica.flush();
    }
}

pub(crate) fn flush_synthetic(repetitions: u64) {
    flushes(Synthetic, repetitions);
}

pub(crate) fn flush_core(repetitions: u64) {
    flushes(Core, repetitions);
}

/// Each of the steps of 20 ms.
fn flushes(engine: EngineKind, repetitions: u64) {
    let mut stepping = warm(engine);
    for _ in 0..repetitions {
        stepping.before_flush();
        assert!(counted_by_valgrind(|| stepping.replica.flush()), "steps wait for it");
    }
}

pub(crate) fn apply_delta_synthetic(repetitions: u64) {
    deltas(Synthetic, repetitions);
}

pub(crate) fn apply_delta_core(repetitions: u64) {
    deltas(Core, repetitions);
}

/// Each of the steps of 20 ms.
fn deltas(engine: EngineKind, repetitions: u64) {
    let mut pair = Pair::new(engine);
    for _ in 0..repetitions {
        let delta = pair.next_delta();
        counted_by_valgrind(|| pair.apply(delta));
    }
    assert!(pair.is_level(), "all deltas were applied");
}

pub(crate) fn token(repetitions: u64) {
    tokens(&warm(Synthetic), repetitions);
}

pub(crate) fn token_of_origins(repetitions: u64) {
    tokens(&StepBench::among(Synthetic, ORIGINS), repetitions);
}

fn tokens(stepping: &StepBench, repetitions: u64) {
    for _ in 0..repetitions {
        counted_by_valgrind(|| stepping.replica.token().to_string());
    }
}

/// What is sent of a step, as bytes; its token is a scenario of its own.
pub(crate) fn answer(repetitions: u64) {
    let mut stepping = warm(Synthetic);
    let token = stepping.replica.token().to_string();
    for _ in 0..repetitions {
        let step = stepping.step(&stepping.next_input());
        let token = token.clone();
        counted_by_valgrind(|| psi_api::step("bench", &step, token).encode_to_vec());
    }
}
