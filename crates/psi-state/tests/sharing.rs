//! What many origins of a field with the largest latents take, in bytes of the heap: nothing for what they only claim,
//! and little for the copy that a batch is worked out on.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

mod common;

use common::{
    WALL_MS, at,
    craft::{Author, Courier},
    field, ready, shape,
};
use peak_alloc::PeakAlloc;
use prost::Message;
use psi_engine::{EngineKind, LATENT_MAX, Parameters};
use psi_replica::{Lane, proto};
use psi_state::{Shape, lanes, proto as values};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const ORIGINS: usize = 100;
/// Of one origin.
const TRANSITION_BYTES: usize = LATENT_MAX * LATENT_MAX * 8;

/// One test, since other threads would be counted too.
#[test]
fn claims_take_no_room_and_copies_little() {
    let (mut replica, mut courier) = (ready("n"), Courier::default());
    let shape = Shape { engine: EngineKind::Core.to_string(), ..shape(3) };
    let parameters = Parameters::default().with([("latent_dim", LATENT_MAX as f64)]).unwrap();
    let epoch = replica.create_field(at(0), &field("f"), (shape, parameters)).unwrap().epoch.0;
    replica.flush();
    let key = |lane: Lane, index| Author::key("f", epoch, lane.0, index);
    let tally = values::TallyValue { updates: 9, memories: 8, ..Default::default() }.encode_to_vec();
    let mut authors: Vec<Author> = (0..ORIGINS).map(|n| Author::new(&format!("a{n}"))).collect();

    let before = HEAP.current_usage();
    for author in &mut authors {
        author.write(key(lanes::TALLY, 0), tally.clone());
        courier.bring(&mut replica, at(1), &[author.delta(0)]);
    }
    let claimed = HEAP.current_usage() - before;
    assert_eq!(replica.view(&field("f")).unwrap().learned.unwrap().updates, 9 * ORIGINS as u64);
    assert!(claimed < ORIGINS * TRANSITION_BYTES / 20, "{claimed} bytes for what was claimed and not shown");

    let before = HEAP.current_usage();
    for author in &mut authors {
        for (index, first) in (0..).zip((0..LATENT_MAX * LATENT_MAX).step_by(8_000)) {
            let numbers = vec![7; 8_000.min(LATENT_MAX * LATENT_MAX - first)];
            author.write(key(lanes::THETA, index), values::ThetaValue { numbers }.encode_to_vec());
        }
        for index in 0..15 {
            let clock = Some(proto::Clock { wall_ms: WALL_MS + index, counter: 0 });
            let latent = values::VectorValue { clock, numbers: vec![0.5; LATENT_MAX], salience: 0.0 };
            author.write(key(lanes::LATENTS, index), latent.encode_to_vec());
            let memories = vec![latent; 8];
            author.write(key(lanes::EPISODIC, index), values::MemoriesValue { memories }.encode_to_vec());
        }
        courier.bring(&mut replica, at(2), &author.frames(0));
    }
    let shown = HEAP.current_usage() - before;
    assert!(shown > ORIGINS * TRANSITION_BYTES, "{shown} bytes for transitions");
    let before = HEAP.current_usage();
    let batch = replica.begin_batch(at(3), &field("f"), &[&[0.5; 3]]).unwrap();
    let copied = HEAP.current_usage() - before;
    drop(batch);
    println!("{ORIGINS} origins: {claimed} bytes for claims, {shown} for what was shown, {copied} for a copy");
    assert!(copied < shown / 4, "{copied} bytes of {shown} were copied");
}
