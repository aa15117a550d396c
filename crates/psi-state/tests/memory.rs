//! What a field of engine `core` takes for each origin, in bytes of the heap.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

mod common;

use common::{Rng, at, config, craft::Courier, field, ready, shape};
use peak_alloc::PeakAlloc;
use psi_engine::{EngineKind, Parameters, core::EPISODIC_CAPACITY};
use psi_state::{Replica, Shape};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const LIMIT: usize = 4 << 20;

/// Steps until everything that an origin keeps is full.
fn fill(replica: &mut Replica, from: u64) {
    let mut rng = Rng(from);
    for n in 0..4_300 {
        let input: Vec<f64> = (0..16).map(|_| rng.unit() - 0.5).collect();
        replica.step(at(from + 20 * n), &field("learns"), &input).unwrap();
        if n % 16 == 15 {
            replica.flush();
        }
    }
}

/// What a replica takes that holds nothing but this, once it has been read.
fn restored(snapshot: &[u8]) -> usize {
    let before = HEAP.current_usage();
    let replica = Replica::restore(config("reader"), at(0), snapshot).unwrap();
    let taken = HEAP.current_usage() - before;
    drop(replica);
    taken
}

#[test]
fn an_origin_of_a_core_field_takes_less_than_four_megabytes() {
    let shape = Shape { engine: EngineKind::Core.to_string(), ..shape(16) };
    let parameters = Parameters::default().with([("pe_low", 0.0), ("pe_high", 1000.0)]).unwrap();
    let (mut replica, mut courier) = (ready("a"), Courier::default());
    replica.create_field(at(0), &field("learns"), (shape, parameters)).unwrap();
    let mut sizes = vec![restored(&replica.snapshot())];
    fill(&mut replica, 0);
    sizes.push(restored(&replica.snapshot()));
    for (name, from) in [("b", 90_000), ("c", 180_000), ("d", 270_000)] {
        let mut other = ready(name);
        courier.sync(&mut replica, &mut other, at(from));
        fill(&mut other, from);
        courier.sync(&mut other, &mut replica, at(from + 90_000));
        sizes.push(restored(&replica.snapshot()));
    }
    let more: Vec<usize> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!("{more:?} bytes of the first, second, … origin; the first with what the field itself takes");
    let held = replica.view(&field("learns")).unwrap().learned.unwrap().episodic_memories;
    assert!(held > EPISODIC_CAPACITY * 9 / 10, "{held} memories: not full");
    assert!(more.iter().all(|more| *more < LIMIT), "{more:?}");
}
