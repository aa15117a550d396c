//! What a step costs in a replica, lock and wire left out: by engine, by what is remembered, by fields held and by origins
//! that are known; and what is done for many steps at once, or for those of a peer.
//!
//! `cargo bench -p psi-replica --bench step`. The replica flushes every 20 ms of its clock, as a node does; steps are
//! 1 ms apart where nothing else is said.

mod common;

use std::cell::RefCell;
use std::hint::black_box;

use common::{Pair, StepBench, WIDTH, field, input, setup};
use divan::Bencher;
use psi_engine::EngineKind::{self, Core, Synthetic};

fn main() {
    divan::main();
}

fn bench(bencher: Bencher<'_, '_>, stepping: StepBench) {
    let (width, mut inputs) = (stepping.width, stepping.steps..);
    let mut stepping = stepping;
    bencher
        .with_inputs(|| input(inputs.next().expect("there is no end"), width))
        .bench_local_values(|input| black_box(stepping.step(&input)));
}

#[divan::bench(args = [16, 256, 4096], sample_count = 2000)]
fn synthetic(bencher: Bencher<'_, '_>, width: usize) {
    bench(bencher, StepBench::new(Synthetic, width).after(300));
}

#[divan::bench(args = [20, 4096, 40_000], sample_count = 2000)]
fn core_after_steps(bencher: Bencher<'_, '_>, steps: u64) {
    bench(bencher, StepBench::new(Core, WIDTH).after(steps));
}

/// The largest field that parameters allow, with all that it can remember.
#[divan::bench(sample_count = 100)]
fn core_largest(bencher: Bencher<'_, '_>) {
    let changes = [("latent_dim", 128.0), ("N", 128.0), ("C_w", 1024.0), ("W_r", 102.4), ("dt", 0.1)];
    bench(bencher, StepBench::of(setup(Core, 4096, &changes)).after(4_200));
}

/// 1,000 steps a flush.
#[divan::bench(sample_count = 20, sample_size = 1000)]
fn synthetic_every_20_us(bencher: Bencher<'_, '_>) {
    bench(bencher, StepBench::new(Synthetic, WIDTH).every_us(20).after(3000));
}

/// 1,000 steps a flush, with a full memory.
#[divan::bench(sample_count = 20, sample_size = 1000)]
fn core_every_20_us(bencher: Bencher<'_, '_>) {
    bench(bencher, StepBench::new(Core, WIDTH).every_us(20).after(5000));
}

#[divan::bench(args = [1, 10_000], sample_count = 2000)]
fn synthetic_of_fields(bencher: Bencher<'_, '_>, fields: usize) {
    bench(bencher, StepBench::holding(Synthetic, fields).after(300));
}

#[divan::bench(args = [10, 100, 1000], sample_count = 2000)]
fn synthetic_among_origins(bencher: Bencher<'_, '_>, origins: usize) {
    bench(bencher, StepBench::among(Synthetic, origins).after(300));
}

#[divan::bench(args = [10, 100, 1000], sample_count = 1000)]
fn core_among_origins(bencher: Bencher<'_, '_>, origins: usize) {
    bench(bencher, StepBench::among(Core, origins).after(300));
}

/// A batch that is worked out beside the replica holds its lock to be copied and to be brought back: one vector here, in a
/// field with a full memory.
#[divan::bench(sample_count = 500)]
fn core_copied_and_back(bencher: Bencher<'_, '_>) {
    let mut stepping = StepBench::new(Core, WIDTH).after(4096);
    let vector = input(0, WIDTH);
    bencher.bench_local(|| {
        stepping.steps += 1;
        let now = stepping.now();
        let mut batch = stepping.replica.begin_batch(now, &field(), &[&vector]).expect("a good batch");
        batch.run();
        black_box(stepping.replica.finish_batch(now, batch).expect("nothing overtakes it"))
    });
}

/// The engines whose entries differ: a flush of `core` has what was learned in it.
const ENGINES: [EngineKind; 2] = [Synthetic, Core];

/// A flush of the 20 steps of 20 ms.
#[divan::bench(args = ENGINES, sample_count = 1000, sample_size = 1)]
fn flush_alone(bencher: Bencher<'_, '_>, engine: EngineKind) {
    let stepping = RefCell::new(StepBench::new(engine, WIDTH).after(300));
    bencher
        .with_inputs(|| stepping.borrow_mut().before_flush())
        .bench_local_values(|()| assert!(stepping.borrow_mut().replica.flush(), "steps wait for it"));
}

/// A peer's delta of 20 steps: checked, applied, folded in.
#[divan::bench(args = ENGINES, sample_count = 1000, sample_size = 1)]
fn apply_delta(bencher: Bencher<'_, '_>, engine: EngineKind) {
    let pair = RefCell::new(Pair::new(engine));
    bencher.with_inputs(|| pair.borrow_mut().next_delta()).bench_local_values(|delta| pair.borrow_mut().apply(delta));
    assert!(pair.borrow().is_level(), "all deltas were applied");
}

/// The token of an answer, as the text that is sent.
#[divan::bench(args = [1, 10, 100, 1000])]
fn token(bencher: Bencher<'_, '_>, origins: usize) {
    let stepping = StepBench::among(Synthetic, origins).after(300);
    bencher.bench_local(|| stepping.replica.token().to_string());
}
