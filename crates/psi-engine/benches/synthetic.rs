//! Engine `synthetic`: what scoring costs, by how many numbers an input has.
//!
//! `cargo bench -p psi-engine --bench synthetic`.

use std::hint::black_box;

use divan::Bencher;
use ndarray::Array1;
use psi_engine::{Action, Parameters, core::draw, fold_noise, synthetic};

fn main() {
    divan::main();
}

#[divan::bench(args = [16, 256, 4096])]
fn score(bencher: Bencher<'_, '_>, width: usize) {
    let input = Array1::from_vec(draw::rollout_noise(1, 1, 1, width).numbers().to_vec());
    let (noise, parameters) = (fold_noise([Action::Nigredo]), Parameters::default());
    bencher.bench(|| synthetic::score(black_box(input.view()), black_box(noise), black_box(&parameters)));
}
