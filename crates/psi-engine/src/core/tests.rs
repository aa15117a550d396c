use super::*;
use proptest::prelude::*;

/// What a step could be scored against, owned.
#[derive(Clone, Debug)]
struct Scene {
    parameters: Parameters,
    encoder: Matrix,
    transition: Matrix,
    latents: Vec<Vec<f64>>,
    working_memories: usize,
    episodic: EpisodicMemory<u32>,
    noise: Matrix,
}

const WIDTH: usize = 3;

impl Scene {
    fn new(latents: Vec<Vec<f64>>, memories: &[Vec<f64>], working_memories: usize) -> Self {
        let parameters = Parameters::default().with([("latent_dim", 4.0), ("N", 3.0), ("W_r", 0.6)]).unwrap();
        let mut episodic = EpisodicMemory::new(4);
        for (key, memory) in (0..).zip(memories) {
            episodic.insert(key, memory);
        }
        Self {
            parameters,
            encoder: draw::encoder(1, 4, WIDTH),
            transition: draw::first_transition(1, 4),
            latents,
            working_memories,
            episodic,
            noise: draw::rollout_noise(1, 1, 3, 4),
        }
    }

    fn try_score(&self, input: &[f64]) -> Result<Score, ShapeError> {
        let latents: Vec<&[f64]> = self.latents.iter().map(Vec::as_slice).collect();
        let view = View {
            encoder: &self.encoder,
            transition: &self.transition,
            latents: &latents,
            working_memories: self.working_memories,
            episodic: &self.episodic,
        };
        score(input, view, &self.noise, &self.parameters)
    }

    fn score(&self, input: &[f64]) -> Score {
        self.try_score(input).unwrap()
    }
}

fn any_vector() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![-1.0..1.0, Just(0.0), Just(1.0)], 4)
}

fn any_scene() -> impl Strategy<Value = Scene> {
    let latents = prop::collection::vec(any_vector(), 0..6);
    let memories = prop::collection::vec(any_vector(), 0..40);
    (latents, memories, 0_usize..40).prop_map(|(latents, memories, working)| Scene::new(latents, &memories, working))
}

fn any_input() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![-2.0..2.0, prop::num::f64::ANY], WIDTH)
}

fn bits(score: &Score) -> Vec<u64> {
    let Score { metrics, attention_gain, latent, moment, expected } = score;
    let numbers = metrics.to_array().into_iter().chain([*attention_gain]);
    let vectors = [latent, moment, expected].into_iter().flatten().copied();
    numbers.chain(vectors).map(f64::to_bits).collect()
}

#[test]
fn what_is_not_a_number_counts_as_in_the_small_engine() {
    let scene = Scene::new(Vec::new(), &[], 0);
    let odd = scene.score(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    assert_eq!(bits(&odd), bits(&scene.score(&[0.0, 5.0, -5.0])));
}

#[test]
fn the_largest_numbers_are_scored() {
    let encoder = Matrix::from(ndarray::array![[4.0, -4.0, 1.0], [4.0, 4.0, 4.0], [-4.0, 4.0, 4.0], [0.0, 0.0, 4.0]]);
    let scored = Scene { encoder, ..Scene::new(Vec::new(), &[], 0) }.score(&[f64::MAX; WIDTH]);
    assert_eq!(scored.latent, [1.0; 4]);
    assert!(scored.metrics.to_array().iter().all(|number| number.is_finite()), "{scored:?}");
}

#[test]
fn the_first_step_expects_what_comes() {
    let scored = Scene::new(Vec::new(), &[], 0).score(&[0.1, -0.2, 0.3]);
    assert_eq!(scored.expected, scored.latent);
    assert_eq!(scored.moment, scored.latent);
    let metrics = scored.metrics;
    assert_eq!((metrics.prediction_error, metrics.continuity, metrics.memory), (0.0, 0.0, 0.0));
    let absorbed = absorb(&scored, None, &Parameters::default());
    assert_eq!(absorbed.learning, None);
}

#[test]
fn only_the_latest_latents_are_retained() {
    // W_r / dt is 3 steps.
    let latest = vec![vec![0.1; 4], vec![0.2; 4], vec![0.3; 4]];
    let scene = Scene::new(latest.clone(), &[], 0);
    let mut earlier = vec![vec![0.9; 4]];
    earlier.extend(latest);
    let with_earlier = Scene { latents: earlier, ..scene.clone() };
    assert_eq!(bits(&scene.score(&[1.0; WIDTH])), bits(&with_earlier.score(&[1.0; WIDTH])));
    let moment = scene.score(&[1.0; WIDTH]);
    assert!((moment.moment[0] - (moment.latent[0] + 0.1)).abs() < 1e-15);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let scene = Scene::new(vec![vec![0.1; 4]], &[], 0);
    for (changed, want) in [
        (Scene { encoder: Matrix::zeros(4, 2), ..scene.clone() }, "the encoder is (4, 2), the field takes (4, 3)"),
        (
            Scene { transition: Matrix::zeros(3, 4), ..scene.clone() },
            "the transition is (3, 4), the field takes (4, 4)",
        ),
        (Scene { noise: Matrix::zeros(3, 5), ..scene.clone() }, "the rollout noise is (3, 5), the field takes (3, 4)"),
        (
            Scene { episodic: EpisodicMemory::new(5), ..scene.clone() },
            "the episodic memory is (0, 5), the field takes (0, 4)",
        ),
        (Scene { latents: vec![vec![0.1; 3]], ..scene }, "a latent is (1, 3), the field takes (1, 4)"),
    ] {
        assert_eq!(changed.try_score(&[0.0; WIDTH]).unwrap_err().to_string(), want);
    }
}

#[test]
fn a_moment_is_memorable_if_dense_and_continuous_or_surprising_enough() {
    let mut scored = Scene::new(Vec::new(), &[], 0).score(&[0.1; WIDTH]);
    for (density, continuity, error, want) in [
        (0.61, 0.41, 0.0, true),
        (0.6, 0.41, 0.0, false),
        (0.61, 0.4, 0.0, false),
        (0.0, 0.0, 0.1, true),
        (0.0, 0.0, 1.5, true),
        (0.0, 0.0, 0.099, false),
        (0.0, 0.0, 1.51, false),
    ] {
        scored.metrics = Metrics { density, continuity, prediction_error: error, ..scored.metrics };
        let absorbed = absorb(&scored, None, &Parameters::default());
        assert_eq!(absorbed.memorable, want, "{density} {continuity} {error}");
        assert_eq!(absorbed.salience, (density - error / 2.0).max(0.0));
    }
}

#[test]
fn learning_brings_the_expected_nearer() {
    let scene = Scene::new(vec![vec![0.5, -0.5, 0.25, 0.75]], &[], 0);
    let scored = scene.score(&[0.4, -0.1, 0.2]);
    let previous = Some(scene.latents[0].as_slice());
    let mut transition = scene.transition.clone();
    absorb(&scored, previous, &scene.parameters).learning.unwrap().apply(&mut transition);
    let error = Scene { transition, ..scene }.score(&[0.4, -0.1, 0.2]).metrics.prediction_error;
    let before = scored.metrics.prediction_error;
    assert!((error / before - 0.95).abs() < 1e-5, "{error} after {before}");
}

proptest! {
    #[test]
    fn metrics_are_finite_and_in_range(scene in any_scene(), input in any_input()) {
        let scored = scene.score(&input);
        let metrics = scored.metrics;
        let ranges = [
            (0.0, 1.0), (-1.0, 1.0), (-1.0, 1.0), (0.0, 1.0), (0.0, 4.0), (0.0, 100.0), (0.0, 2.0), (0.05, 0.5),
        ];
        for ((name, number), (low, high)) in Metrics::NAMES.iter().zip(metrics.to_array()).zip(ranges) {
            prop_assert!((low..=high).contains(&number), "{}: {}", name, number);
            prop_assert!(number != 0.0 || number.is_sign_positive(), "{}: {}", name, number);
        }
        prop_assert!(scored.attention_gain.is_finite());
        prop_assert!(scored.latent.iter().all(|number| number.abs() <= 1.0));
        prop_assert!(scored.moment.iter().all(|number| number.abs() <= 1.5 + 1e-12));
    }

    #[test]
    fn a_still_present_is_coherent_and_no_more(input in prop::collection::vec(-2.0..2.0, WIDTH), past in 0_usize..4) {
        let mut scene = Scene::new(Vec::new(), &[], 0);
        let latent = scene.score(&input).latent;
        scene.latents = vec![latent; past];
        scene.noise = Matrix::zeros(3, 4);
        scene.transition = Matrix::from(ndarray::Array2::eye(4));
        let coherence = scene.score(&input).metrics.phase_coherence;
        prop_assert!((1.0 - 1e-6..=1.0).contains(&coherence), "{}", coherence);
    }

    #[test]
    fn the_same_arguments_give_the_same_bits(scene in any_scene(), input in any_input()) {
        let first = bits(&scene.score(&input));
        // Other arguments in between leave no trace.
        scene.score(&[0.3; WIDTH]);
        let moved = Box::new(scene);
        prop_assert_eq!(first, bits(&moved.score(&input)));
    }

    #[test]
    fn more_working_memories_than_fit_count_as_a_full_memory(scene in any_scene(), input in any_input()) {
        let full = Scene { working_memories: 32, ..scene.clone() };
        let over = Scene { working_memories: 33, ..scene };
        prop_assert_eq!(bits(&full.score(&input)), bits(&over.score(&input)));
    }
}
