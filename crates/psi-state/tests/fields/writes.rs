//! What a client may ask for: bad input is refused with the cause and changes nothing.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    State, at,
    craft::{Courier, populated},
    field, input, shape,
};
use psi_engine::Parameters;
use psi_replica::StopCause;
use psi_state::{BATCH_MAX, Capacity, Replica, Shape, WriteError};

/// The write is refused, the message names the cause, and neither what is held nor what is flushed later has changed.
fn check(name: &str, write: impl Fn(&mut Replica) -> Result<(), WriteError>, want: &str) {
    let mut replica = populated("n");
    let before = State::of(&replica);
    let error = write(&mut replica).expect_err(name).to_string();
    assert!(error.contains(want), "{name}: {error}");
    assert!(!replica.flush(), "{name}: something was written");
    assert_eq!(State::of(&replica), before, "{name}");
    let next = replica.step(at(30), &field("default"), &input(1, 16)).unwrap();
    let me = replica.origin().unwrap();
    assert_eq!(next.version, replica.frontier().version(me).next(), "{name}: a version was taken");
}

#[test]
fn a_bad_step_changes_nothing_and_names_the_cause() {
    let step = |name: &'static str, input: Vec<f64>| {
        move |replica: &mut Replica| replica.step(at(20), &field(name), &input).map(drop)
    };
    let with = |x: f64| {
        let mut numbers = input(1, 16);
        numbers[7] = x;
        numbers
    };
    check("too narrow", step("default", input(1, 15)), "input has 15 numbers, field `default` takes 16");
    check("too wide", step("default", input(1, 17)), "input has 17 numbers");
    check("empty", step("default", Vec::new()), "input has 0 numbers");
    check("not a number", step("default", with(f64::NAN)), "input[7]");
    check("infinite", step("default", with(f64::NEG_INFINITY)), "input[7]");
    check("too large", step("default", with(16_777_216.0)), "input[7]");
    check("unknown field", step("nowhere", input(1, 16)), "no field `nowhere`");
}

#[test]
fn a_batch_is_taken_whole_or_not_at_all() {
    let batch = |inputs: Vec<Vec<f64>>| {
        move |replica: &mut Replica| {
            let slices: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
            replica.step_batch(at(20), &field("default"), &slices).map(drop)
        }
    };
    let good = || input(1, 16);
    check("the last is bad", batch(vec![good(), good(), vec![f64::NAN; 16]]), "vector 2 of the batch: input[0]");
    check("one is short", batch(vec![good(), input(1, 3), good()]), "vector 1 of the batch: input has 3 numbers");
    check("none", batch(Vec::new()), "1 to 4096 vectors, this one has 0");
    check("too many", batch(vec![good(); BATCH_MAX + 1]), "this one has 4097");
    let mut replica = populated("n");
    let inputs: Vec<Vec<f64>> = (0..BATCH_MAX as u64).map(|n| input(n, 16)).collect();
    let before = replica.view(&field("default")).unwrap().moments.count;
    let steps =
        replica.step_batch(at(20), &field("default"), &inputs.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    assert!(steps.iter().all(|step| step.version == steps[0].version), "one write, one version");
    assert_eq!(steps.last().unwrap().k, before + BATCH_MAX as u64);
}

#[test]
fn a_bad_field_changes_nothing_and_names_the_cause() {
    let create = |name: &'static str, shape: Shape| {
        move |replica: &mut Replica| {
            replica.create_field(at(20), &field(name), (shape.clone(), Parameters::default())).map(drop)
        }
    };
    check("no width", create("a", shape(0)), "vectors of 1 to 4096 numbers, not 0");
    check("too wide", create("a", shape(4097)), "not 4097");
    check(
        "unknown engine",
        create("a", Shape { engine: "sintetic".to_owned(), ..shape(3) }),
        "did you mean `synthetic`",
    );
    check("exists", create("default", shape(3)), "field `default` exists already");
    check("drop default", |replica| replica.drop_field(at(20), &field("default")).map(drop), "can't be dropped");
    check("drop nothing", |replica| replica.drop_field(at(20), &field("a")).map(drop), "no field `a`");
    check(
        "reset nothing",
        |replica| replica.reset_field(at(20), &field("a"), (shape(3), Parameters::default())).map(drop),
        "no field `a`",
    );
    check(
        "intervene nowhere",
        |replica| replica.intervene(at(20), &field("a"), psi_engine::Action::Albedo).map(drop),
        "no field `a`",
    );
}

#[test]
fn a_stopping_node_takes_nothing_but_still_flushes() {
    let mut replica = populated("n");
    replica.step(at(20), &field("default"), &input(1, 16)).unwrap();
    replica.stop_writing(StopCause::Requested);
    let error = replica.step(at(20), &field("default"), &input(1, 16)).unwrap_err();
    assert!(error.to_string().contains("stopping: it was told to"), "{error}");
    assert!(replica.flush());
}

/// Own steps show at once, in views and answers; frontier and digest move at the flush.
#[test]
fn a_step_is_read_at_once_and_flushed_within_20_ms() {
    let mut replica = populated("n");
    let (frontier, digest) = (replica.frontier().clone(), replica.digest());
    replica.tick(at(100));
    let step = replica.step(at(101), &field("default"), &input(1, 16)).unwrap();
    let view = replica.view(&field("default")).unwrap();
    assert_eq!((view.moments.count, view.last.unwrap().clock), (step.k, step.clock));
    assert_eq!((replica.frontier(), replica.digest()), (&frontier, digest));
    let wake = replica.wake_at().unwrap();
    assert!(wake.0 <= 121, "{wake:?}");
    replica.tick(at(wake.0.max(101)));
    assert_eq!(replica.frontier().version(replica.origin().unwrap()), step.version);
    assert_ne!(replica.digest(), digest);
}

#[test]
fn no_more_fields_are_made_than_there_may_be() {
    let mut replica = populated("n");
    let fields = replica.field_names().count();
    replica.set_capacity(Capacity { fields_max: fields + 1, ..Capacity::default() });
    let create = |replica: &mut Replica, name: &str| {
        replica.create_field(at(30), &field(name), (shape(4), Parameters::default())).map(drop)
    };
    create(&mut replica, "last").unwrap();
    let refused = WriteError::TooManyFields { fields: fields + 1, max: fields + 1 };
    assert_eq!(create(&mut replica, "beyond"), Err(refused));
    replica.drop_field(at(31), &field("last")).unwrap();
    create(&mut replica, "beyond").unwrap();
}

#[test]
fn a_full_replica_takes_nothing_in_until_a_field_is_dropped_but_all_that_others_took() {
    let mut full = populated("full");
    full.create_field(at(30), &field("wide"), (shape(4096), Parameters::default())).unwrap();
    full.step(at(31), &field("wide"), &input(1, 4096)).unwrap();
    full.flush();
    let (_, bytes) = full.size();
    full.set_capacity(Capacity { bytes_max: bytes, ..Capacity::default() });
    let refused = Err(WriteError::StateFull { bytes, max: bytes });
    let step = |replica: &mut Replica| replica.step(at(40), &field("default"), &input(1, 16)).map(drop);
    assert_eq!(step(&mut full), refused);
    assert_eq!(full.step_batch(at(40), &field("default"), &[&input(1, 16)]).map(drop), refused);
    assert_eq!(full.begin_batch(at(40), &field("default"), &[&input(1, 16)]).map(drop), refused);
    let made = full.create_field(at(40), &field("more"), (shape(4), Parameters::default()));
    assert_eq!(made.map(drop), refused);
    let mut other = populated("third");
    step(&mut other).unwrap();
    other.flush();
    let counted = full.view(&field("default")).unwrap().moments.count;
    Courier::default().sync(&mut other, &mut full, at(41));
    assert!(full.view(&field("default")).unwrap().moments.count > counted, "what others took in");
    full.drop_field(at(42), &field("wide")).unwrap();
    full.flush();
    step(&mut full).unwrap();
}
