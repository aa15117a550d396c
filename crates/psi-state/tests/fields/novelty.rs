//! Novelty: what a column never was is the most unusual there can be.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "helpers of tests, where a panic is the report")]

use crate::common::{Rng, at, field, ready};
use psi_engine::Parameters;
use psi_state::{Replica, Shape, Step};

const WIDTH: usize = 4;

/// A field of an engine, after so many inputs that do not vary but in the columns before `constant`, and there by so much.
fn watched(engine: &str, count: u64, constant: usize, jitter: f64) -> Replica {
    let mut replica = ready("n");
    let shape = Shape { width: WIDTH, engine: engine.to_owned(), ..Shape::default() };
    let setup = (shape, Parameters::default().with([("novelty_threshold", 50.0)]).unwrap());
    replica.create_field(at(1), &field("f"), setup).unwrap();
    let mut rng = Rng(3);
    for n in 0..count {
        let input = (0..WIDTH).map(|column| {
            let noise = (0..6).map(|_| rng.unit() - 0.5).sum::<f64>() * 1.4;
            if column < constant { noise } else { 100.0 + jitter * noise }
        });
        let step = step(&mut replica, 2 + n, &input.collect::<Vec<f64>>());
        assert!(!step.unusual && step.novelty <= (step.k as f64 - 1.0).sqrt(), "{step:?}");
    }
    replica
}

fn step(replica: &mut Replica, tick: u64, input: &[f64]) -> Step {
    replica.step(at(tick), &field("f"), input).unwrap()
}

/// After 500 inputs, whatever the engine, however much of the field stood still, and however still it stood.
#[test]
fn a_constant_that_changes_is_the_most_unusual_there_can_be() {
    for engine in ["synthetic", "core"] {
        for constant in [3, 0] {
            for jitter in [0.0, 1e-12, 1e-9, 1e-6] {
                let mut replica = watched(engine, 500, constant, jitter);
                let like_all = if constant > 0 { [0.1, 0.2, -0.2, 100.0] } else { [100.0; WIDTH] };
                let usual = step(&mut replica, 600, &like_all);
                let step = step(&mut replica, 601, &[100.0, 100.0, 100.0, 5000.0]);
                let most = 501_f64.sqrt();
                assert!(usual.novelty < 2.0 && !usual.unusual, "{engine}, {constant}, {jitter}: {usual:?}");
                assert_eq!((step.novelty, step.unusual), (most, true), "{engine}, {constant}, {jitter}");
                let farthest = step.farthest[0].unwrap();
                assert_eq!((farthest.column, farthest.z), (3, most), "{engine}, {constant}, {jitter}");
            }
        }
    }
}

/// The first 100 steps are never unusual; after them such a change is, whatever the threshold.
#[test]
fn a_constant_that_changes_is_unusual_once_anything_is() {
    for (count, unusual) in [(2, false), (99, false), (100, true), (101, true)] {
        let mut replica = watched("synthetic", count, 0, 0.0);
        let step = step(&mut replica, 600, &[100.0, 100.0, 100.0, 101.0]);
        assert_eq!((step.novelty, step.unusual), ((count as f64).sqrt(), unusual), "after {count}");
    }
}
