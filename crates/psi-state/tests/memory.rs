//! What a field of engine `core` takes for each origin, in bytes of the heap.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

mod common;

use std::sync::Mutex;

use common::{Rng, at, config, craft::Courier, field, ready, shape};
use peak_alloc::PeakAlloc;
use prost::Message;
use psi_engine::{EngineKind, Parameters, core::EPISODIC_CAPACITY};
use psi_replica::Version;
use psi_state::{Replica, Shape, lanes, proto as values};

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

/// What grows is measured for the whole process, so that one test runs at a time.
static MEASURED: Mutex<()> = Mutex::new(());

fn setup() -> (Shape, Parameters) {
    let shape = Shape { engine: EngineKind::Core.to_string(), ..shape(16) };
    (shape, Parameters::default().with([("pe_low", 0.0), ("pe_high", 1000.0)]).unwrap())
}

#[test]
fn an_origin_of_a_core_field_takes_less_than_four_megabytes() {
    let _measured = MEASURED.lock();
    let (mut replica, mut courier) = (ready("a"), Courier::default());
    replica.create_field(at(0), &field("learns"), setup()).unwrap();
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

const NODES: usize = 10;

/// Ten nodes that step all fields in turn, four times a second each, and hear each other every 8 s.
fn live_nodes(fields: usize) -> Vec<Replica> {
    let mut courier = Courier::default();
    let mut nodes: Vec<Replica> = (0..NODES).map(|number| ready(&format!("n{number}"))).collect();
    let names: Vec<_> = (0..fields).map(|number| field(&format!("learns-{number}"))).collect();
    for name in &names {
        nodes[0].create_field(at(0), name, setup()).unwrap();
    }
    let mut rng = Rng(1);
    for round in 0..4_352_u64 {
        let now = at(1_000 + 250 * round);
        if round % 32 == 0 {
            for (from, to) in
                (0..NODES).flat_map(|from| (0..NODES).map(move |to| (from, to))).filter(|(from, to)| from != to)
            {
                let [source, target] = nodes.get_disjoint_mut([from, to]).unwrap();
                source.flush();
                let origin = source.origin().unwrap().clone();
                let frames = courier.take(source, now, &origin, target.frontier().version(&origin));
                courier.bring(target, now, &frames);
            }
        }
        for node in &mut nodes {
            for name in &names {
                let input: Vec<f64> = (0..16).map(|_| rng.unit() - 0.5).collect();
                node.step(now, name, &input).unwrap();
            }
            if round % 8 == 7 {
                node.flush();
            }
        }
    }
    nodes
}

/// What a joiner is sent.
fn joining(replica: &mut Replica) -> usize {
    let origins: Vec<_> = replica.frontier().iter().map(|(origin, _)| origin.clone()).collect();
    let mut courier = Courier::default();
    let frames = origins.iter().flat_map(|origin| courier.take(replica, at(2_000_000), origin, Version::ZERO));
    frames.collect::<Vec<_>>().iter().map(Message::encoded_len).sum()
}

/// One field, or as many as `FIELDS` says.
#[test]
fn ten_live_nodes_take_little_more_than_one() {
    let _measured = MEASURED.lock();
    let fields = std::env::var("FIELDS").ok().and_then(|fields| fields.parse().ok()).unwrap_or(1);
    let mut nodes = live_nodes(fields);
    let mut replica = nodes.swap_remove(0);
    drop(nodes);
    replica.flush();
    let (entries, bytes) = replica.size();
    let origins: Vec<_> = replica.frontier().iter().map(|(origin, _)| origin.clone()).collect();
    let of_memories = |origin| replica.entries(origin).filter(|entry| entry.key.lane == lanes::EPISODIC);
    let counted = |entry: psi_replica::Entry| values::MemoriesValue::decode(&entry.value[..]).unwrap().memories.len();
    let memories: usize = origins.iter().flat_map(of_memories).map(counted).sum();
    let snapshot = replica.snapshot();
    let joined = joining(&mut replica);
    let view = replica.view(&field("learns-0")).unwrap().learned.unwrap();
    drop(replica);
    let held = restored(&snapshot);
    println!(
        "{NODES} nodes, {fields} fields of core: {memories} memories in {entries} entries, of {bytes} bytes; the heap of a \
         replica takes {held} bytes, a joiner {joined}, a snapshot {}",
        snapshot.len()
    );
    assert!(view.episodic_memories > EPISODIC_CAPACITY * 9 / 10);
    assert!(held < fields * 2 * LIMIT, "{held} bytes");
}
