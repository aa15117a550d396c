//! Engine `core` against traces of the engine that it replaces: every output of every step within 1e-9.

use std::fs::File;
use std::path::Path;

use ndarray::{Array1, Array2, Array3, Axis, Dimension, OwnedRepr};
use ndarray_npy::{NpzReader, ReadableElement};
use psi_engine::core::{Blend, CoreState, CoreStep, EpisodicMemory, FixedTransition, Matrix, View, absorb, score};
use psi_engine::{Metrics, Parameters, guardian};

const TOLERANCE: f64 = 1e-9;

/// The columns of a trace's `outputs`.
const OUTPUTS: [&str; 10] = ["t", "Psi", "C", "U", "Phi", "H", "PE", "dt_eff", "M", "att_gain"];

struct Trace(NpzReader<File>);

impl Trace {
    fn open(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/core");
        let path = folder.join(name).with_extension("npz");
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(NpzReader::new(file).expect("an npz archive"))
    }

    fn array<T: ReadableElement, D: Dimension>(&mut self, name: &str) -> ndarray::ArrayBase<OwnedRepr<T>, D> {
        self.0.by_name(name).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn matrix(&mut self, name: &str) -> Matrix {
        Matrix::from(self.array::<f64, ndarray::Ix2>(name))
    }
}

fn outputs(step: &CoreStep) -> [f64; OUTPUTS.len()] {
    let m = step.metrics;
    [
        step.t,
        m.density,
        m.continuity,
        m.futurity,
        m.phase_coherence,
        m.temporal_entropy,
        m.prediction_error,
        m.time_dilation,
        m.memory,
        step.attention_gain,
    ]
}

/// Runs the trace `name` and compares; gives the greatest difference of each output.
fn check(name: &str, changes: &[(&str, f64)]) {
    let mut trace = Trace::open(name);
    let parameters = Parameters::default().with(changes.iter().copied()).expect("valid parameters");
    let (encoder, transition) = (trace.matrix("encoder"), trace.matrix("transition"));
    let mut state = CoreState::given(encoder, transition, parameters).expect("arrays that fit");
    let inputs: Array2<f64> = trace.array("inputs");
    let noise: Array3<f64> = trace.array("rollout_noise");
    let want: Array2<f64> = trace.array("outputs");
    assert!(inputs.nrows() >= 100 && want.dim() == (inputs.nrows(), OUTPUTS.len()), "{name} is a whole trace");

    let mut greatest = [0.0_f64; OUTPUTS.len()];
    let rows = inputs.rows().into_iter().zip(noise.axis_iter(Axis(0))).zip(want.rows());
    for (((input, noise), want), k) in rows.zip(1..) {
        let step = state.step(&input.to_vec(), &Matrix::from(noise.to_owned())).expect("arrays that fit");
        assert_eq!(step.k, k, "{name}");
        for (((symbol, got), want), greatest) in OUTPUTS.iter().zip(outputs(&step)).zip(want).zip(&mut greatest) {
            let difference = (got - want).abs();
            assert!(difference <= TOLERANCE, "{name}, step {k}, {symbol}: {got}, not {want}");
            *greatest = greatest.max(difference);
        }
    }
    println!("{name}: greatest differences {:?}", OUTPUTS.iter().zip(greatest).collect::<Vec<_>>());

    let final_transition: Array2<f64> = trace.array("final_transition");
    let drift = (&state.transition().view() - &final_transition).mapv(f64::abs);
    assert!(drift.iter().all(|&drift| drift <= TOLERANCE), "{name}: the transition learned");
    let memories: Array1<f64> = trace.array("memories");
    assert_eq!([state.episodic().len() as f64, state.working().len() as f64], [memories[0], memories[1]], "{name}");
}

#[test]
fn feeder_is_reproduced() {
    check("feeder", &[]);
}

#[test]
fn walk_is_reproduced() {
    check("walk", &[]);
}

#[test]
fn shocks_is_reproduced() {
    check("shocks", &[]);
}

#[test]
fn guarded_is_reproduced() {
    check("guarded", &[]);
}

#[test]
fn eviction_is_reproduced() {
    check("eviction", &[("latent_dim", 8.0), ("N", 2.0)]);
}

/// What a replica would do: each step is scored against the mean of the transitions shared, here of one origin in fixed
/// point, and what it adds is applied by the caller.
#[test]
fn walk_is_reproduced_from_shared_parts() {
    let mut trace = Trace::open("walk");
    let parameters = Parameters::default();
    let encoder = trace.matrix("encoder");
    let inputs: Array2<f64> = trace.array("inputs");
    let noise: Array3<f64> = trace.array("rollout_noise");
    let want: Array2<f64> = trace.array("outputs");
    let mut blend = Blend::new(parameters.latent_dim());
    let mut theta = FixedTransition::from_matrix(&trace.matrix("transition"));
    let (mut updates, mut latents, mut episodic) = (1, Vec::new(), EpisodicMemory::new(parameters.latent_dim()));
    blend.add(&theta, updates);
    for (k, input) in inputs.rows().into_iter().enumerate() {
        let mut transition = blend.mean().expect("one origin");
        let view = View {
            encoder: &encoder,
            transition: &transition,
            latents: &latents.iter().map(Vec::as_slice).collect::<Vec<_>>(),
            working_memories: k,
            episodic: &episodic,
        };
        let noise = Matrix::from(noise.index_axis(Axis(0), k).to_owned());
        let scored = score(&input.to_vec(), view, &noise, &parameters).expect("arrays that fit");
        for (symbol, want) in OUTPUTS.iter().zip(want.row(k)).skip(1) {
            let got = if *symbol == "att_gain" { scored.attention_gain } else { metric(&scored.metrics, symbol) };
            assert!((got - want).abs() <= TOLERANCE, "step {k}, {symbol}: {got}, not {want}");
        }
        let absorbed = absorb(&scored, latents.last().map(Vec::as_slice), &parameters);
        if let Some(learning) = absorbed.learning {
            learning.apply(&mut transition);
            blend.remove(&theta, updates);
            theta = FixedTransition::from_matrix(&transition);
            updates += 1;
            blend.add(&theta, updates);
        }
        if absorbed.memorable {
            episodic.insert(k, &absorbed.moment);
        }
        latents.push(absorbed.latent);
    }
}

fn metric(metrics: &Metrics, symbol: &str) -> f64 {
    let place = Metrics::SYMBOLS.iter().position(|known| *known == symbol).expect("a known symbol");
    metrics.to_array()[place]
}

/// What the inputs of `guarded` went through: the guardian's own conditioning, and a standardisation.
#[test]
fn guarded_inputs_are_the_raw_ones_conditioned() {
    let mut trace = Trace::open("guarded");
    let (raw, inputs): (Array2<f64>, Array2<f64>) = (trace.array("raw_inputs"), trace.array("inputs"));
    for (raw, want) in raw.rows().into_iter().zip(inputs.rows()) {
        let mut conditioned = raw.to_vec();
        guardian::condition(&mut conditioned);
        let count = conditioned.len() as f64;
        let mean = conditioned.iter().sum::<f64>() / count;
        let std = (conditioned.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / count).sqrt();
        for (number, want) in conditioned.iter().zip(want) {
            assert!(((number - mean) / (std + 1e-6) - want).abs() <= TOLERANCE);
        }
    }
}
