//! What a step costs in a replica, lock and wire left out: by engine, by what is remembered, by origins that are known.
//!
//! `cargo bench -p psi-replica --bench step`. The replica flushes every 20 ms of its clock, as a node does; steps are
//! 1 ms apart.

use std::cell::RefCell;
use std::hint::black_box;

use divan::Bencher;
use psi_engine::{EngineKind, Parameters, core::draw};
use psi_replica::{ClusterName, Config, FieldName, NodeId, Now, Replica, Setup, Shape, TickMs, WallMs};

const WIDTH: usize = 16;
const WALL_MS: u64 = 1_750_000_000_000;

fn main() {
    divan::main();
}

fn at(tick: u64) -> Now {
    Now { tick: TickMs(tick), wall: WallMs(WALL_MS + tick) }
}

fn replica(name: &str) -> Replica {
    let name = NodeId::new(name).expect("letters");
    let config = Config { join_ms: 0, ..Config::new(ClusterName::new("bench").expect("letters"), name) };
    let mut replica = Replica::new(config, at(0));
    replica.tick(at(0));
    replica
}

fn field() -> FieldName {
    FieldName::new("bench").expect("letters")
}

/// Every step of engine `core` is remembered.
fn setup(engine: EngineKind, width: usize, changes: &[(&str, f64)]) -> Setup {
    let shape = Shape { engine: engine.to_string(), width, ..Shape::default() };
    let changes = [("pe_low", 0.0), ("pe_high", 1000.0)].iter().chain(changes).copied();
    (shape, Parameters::default().with(changes).expect("within the limits")).into()
}

fn input(step: u64, width: usize) -> Vec<f64> {
    draw::rollout_noise(1, step, 1, width).numbers().to_vec()
}

/// A replica that goes on stepping, a millisecond a step.
struct Stepping {
    replica: Replica,
    steps: u64,
    width: usize,
}

impl Stepping {
    fn new(engine: EngineKind, width: usize) -> Self {
        Self::of(setup(engine, width, &[]))
    }

    fn of(setup: Setup) -> Self {
        let width = setup.shape.width;
        let mut replica = replica("own");
        replica.create_field(at(0), &field(), setup).expect("a new field");
        Self { replica, steps: 0, width }
    }

    fn step(&mut self, input: &[f64]) -> f64 {
        self.steps += 1;
        let now = at(self.steps);
        let step = self.replica.step(now, &field(), input).expect("a good step");
        self.replica.tick(now);
        step.metrics.density
    }

    fn after(mut self, steps: u64) -> Self {
        for n in 0..steps {
            let input = input(n, self.width);
            self.step(&input);
        }
        self
    }
}

fn bench(bencher: Bencher<'_, '_>, stepping: Stepping) {
    let width = stepping.width;
    let stepping = RefCell::new(stepping);
    bencher
        .with_inputs(|| input(stepping.borrow().steps, width))
        .bench_local_values(|input| black_box(stepping.borrow_mut().step(&input)));
}

#[divan::bench(args = [16, 256, 4096], sample_count = 2000)]
fn synthetic(bencher: Bencher<'_, '_>, width: usize) {
    bench(bencher, Stepping::new(EngineKind::Synthetic, width).after(300));
}

#[divan::bench(args = [20, 4096, 40_000], sample_count = 2000)]
fn core_after_steps(bencher: Bencher<'_, '_>, steps: u64) {
    bench(bencher, Stepping::new(EngineKind::Core, WIDTH).after(steps));
}

/// The largest field that parameters allow, with all that it can remember.
#[divan::bench(sample_count = 100)]
fn core_largest(bencher: Bencher<'_, '_>) {
    let changes = [("latent_dim", 128.0), ("N", 128.0), ("C_w", 1024.0), ("W_r", 102.4), ("dt", 0.1)];
    bench(bencher, Stepping::of(setup(EngineKind::Core, 4096, &changes)).after(4_200));
}

/// A batch that is worked out beside the replica holds its lock to be copied and to be brought back: one vector here, in a
/// field with a full memory.
#[divan::bench(sample_count = 500)]
fn core_copied_and_back(bencher: Bencher<'_, '_>) {
    let mut stepping = Stepping::new(EngineKind::Core, WIDTH).after(4096);
    let vector = input(0, WIDTH);
    bencher.bench_local(|| {
        stepping.steps += 1;
        let now = at(stepping.steps);
        let mut batch = stepping.replica.begin_batch(now, &field(), &[&vector]).expect("a good batch");
        batch.run();
        black_box(stepping.replica.finish_batch(now, batch).expect("nothing overtakes it"))
    });
}
