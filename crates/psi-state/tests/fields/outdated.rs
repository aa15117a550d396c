//! Memories that others have outdated: their origin gives them up, and it shows nowhere.

#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use crate::common::{Rng, at, craft::Courier, field, node, ready, shape};
use prost::Message;
use psi_engine::{EngineKind, Parameters};
use psi_replica::Now;
use psi_state::{Replica, Setup, Shape, lanes, proto as values};

/// Memories of 30 s, in whole entries.
const KEPT: usize = 304;

/// Each step of it is remembered.
fn setup() -> Setup {
    let shape = Shape { engine: EngineKind::Core.to_string(), seed: 7, ..shape(3) };
    let changes = [("latent_dim", 4.0), ("N", 2.0), ("C_w", 3.0), ("pe_low", 0.0), ("pe_high", 1000.0), ("drift", 0.0)];
    (shape, Parameters::default().with(changes).unwrap()).into()
}

fn input(rng: &mut Rng) -> Vec<f64> {
    (0..3).map(|_| rng.unit() - 0.5).collect()
}

/// So many steps, ten a second.
fn step(replica: &mut Replica, from_ms: u64, steps: u64) {
    let mut rng = Rng(from_ms);
    for n in 0..steps {
        replica.step(at(from_ms + 100 * n), &field("learns"), &input(&mut rng)).unwrap();
        if n % 8 == 7 {
            replica.flush();
        }
    }
    replica.flush();
}

/// Memories in a replica's log of a node.
fn memories(replica: &Replica, name: &str) -> usize {
    let entries = replica.frontier().iter().filter(|(origin, _)| origin.node == node(name));
    let entries =
        entries.flat_map(|(origin, _)| replica.entries(origin)).filter(|entry| entry.key.lane == lanes::EPISODIC);
    entries.map(|entry| values::MemoriesValue::decode(&entry.value[..]).unwrap().memories.len()).sum()
}

/// What was learned, kept up to date and refolded from the entries.
fn learned(replica: &mut Replica) -> String {
    let print = replica.learned_fingerprint(&field("learns")).unwrap();
    assert_eq!(replica.learned_fingerprint_from_entries(&field("learns")).unwrap(), print);
    assert_eq!(replica.view_from_entries(&field("learns")), replica.view(&field("learns")));
    format!("{print:?}")
}

/// Two nodes of which one was busy first, and the other is busy since.
fn outdated_by_another(courier: &mut Courier, now: Now) -> (Replica, Replica) {
    let (mut first, mut second) = (ready("first"), ready("second"));
    first.create_field(at(0), &field("learns"), setup()).unwrap();
    step(&mut first, 0, 1_000);
    courier.sync(&mut first, &mut second, at(100_000));
    step(&mut second, 110_000, 6_000);
    courier.sync(&mut second, &mut first, now);
    (first, second)
}

#[test]
fn a_node_that_writes_nothing_itself_gives_up_what_others_have_outdated() {
    let (mut courier, now) = (Courier::default(), at(710_000));
    let (mut first, mut second) = outdated_by_another(&mut courier, now);
    // It wrote because others' writes demanded it. They do not have that yet.
    assert_eq!(memories(&second, "first"), 1_000);
    let before = learned(&mut second);
    // The other's latest 4,096 but those of 30 s count as settled: so as many of its own stay beside them.
    assert_eq!(memories(&first, "first"), KEPT);
    assert_eq!(learned(&mut first), before);
    courier.sync(&mut first, &mut second, now);
    assert_eq!(memories(&second, "first"), KEPT);
    assert_eq!(learned(&mut second), before);
    assert_eq!(first.digest(), second.digest());
    // It takes memories again, in the slots that are free. By then those of the other are all settled.
    step(&mut first, 720_000, 300);
    courier.sync(&mut first, &mut second, at(780_000));
    assert_eq!(memories(&second, "first"), 300);
    assert_eq!(learned(&mut second), learned(&mut first));
    let last = first.entries(first.origin().unwrap()).filter(|entry| entry.key.lane == lanes::EPISODIC).count();
    assert_eq!(last, 125, "no entry was added");
}

/// What a batch works on is a copy, which is not to be given up under its feet.
#[test]
fn a_batch_may_give_up_what_others_have_outdated() {
    let (mut courier, now) = (Courier::default(), at(710_000));
    let (mut first, mut second) = (ready("first"), ready("second"));
    first.create_field(at(0), &field("learns"), setup()).unwrap();
    step(&mut first, 0, 1_000);
    courier.sync(&mut first, &mut second, at(100_000));
    step(&mut second, 110_000, 6_000);
    let mut rng = Rng(5);
    let inputs: Vec<Vec<f64>> = (0..512).map(|_| input(&mut rng)).collect();
    let inputs: Vec<&[f64]> = inputs.iter().map(|input| &input[..]).collect();
    let mut batch = first.begin_batch(now, &field("learns"), &inputs).unwrap();
    courier.sync(&mut second, &mut first, now);
    assert!(!first.is_dirty(), "nothing is given up while a batch works");
    batch.run();
    first.finish_batch(now, batch).unwrap();
    first.flush();
    let _checked = learned(&mut first);
    assert!(memories(&first, "first") > 1_000);
    // The next one gives up as it works.
    let mut batch = first.begin_batch(at(711_000), &field("learns"), &inputs).unwrap();
    batch.run();
    first.finish_batch(at(711_000), batch).unwrap();
    first.flush();
    assert!(memories(&first, "first") < KEPT + 50, "{}", memories(&first, "first"));
    courier.sync(&mut first, &mut second, at(780_000));
    assert_eq!(learned(&mut second), learned(&mut first));
}
