//! Random histories of machines that decide a process and its tasks, judged by what was observed.
//!
//! Machines crash, also between vote and answer, are cut off, and have clocks that jump by days; some propose what does
//! not follow. A seed repeats its history. `PSI_PROCESS_SEEDS=10000 cargo test --release -p psi-process --test
//! simulation` runs more of them, and `PSI_PROCESS_SEED=17` only that one.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::{collections::BTreeMap, env};

mod cast;
mod client;
mod fault;
mod forgery;
mod machine;
mod node;
mod oracle;
mod plan;
mod rng;
mod world;

use plan::{Forgery, Mutation, Plan};
use world::World;

/// What histories must meet.
const MARKERS: [&str; 31] = [
    "a broken machine proposes what does not follow",
    "a client is told otherwise that it does not follow",
    "a client is told that a bucket is full",
    "a client is told that a gate did not pass",
    "a client is told that it has ended",
    "a client is told that it is stale",
    "a client is told that nobody knows",
    "a client learns nothing in time",
    "a client learns that it is decided",
    "a clock jumps by days",
    "a crash",
    "a crash between vote and answer",
    "a gate holds a task where it is",
    "a step is found in the history",
    "a voter refuses what does not follow",
    "an ended task leaves early",
    "an ended task leaves in time",
    "another task of the bucket took the step",
    "days go by at once",
    "decided: a name is used again",
    "decided: abort",
    "decided: advance in mode enforce",
    "decided: advance in mode watch",
    "decided: baseline",
    "decided: done",
    "decided: forced advance",
    "decided: return",
    "decided: rewind",
    "decided: spec change",
    "decided: spec change of a task",
    "decided: switch",
];

fn run(plan: Plan) -> World {
    let mut world = World::new(plan);
    world.run_stormy();
    world.run_calm();
    world
}

#[test]
fn decided_processes_keep_their_promises() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let count = number("PSI_PROCESS_SEEDS").unwrap_or(200);
    let seeds = number("PSI_PROCESS_SEED").map_or(0..count, |seed| seed..seed + 1);
    let (mut decided, mut markers) = (0, BTreeMap::<_, u64>::new());
    for seed in seeds.clone() {
        let world = run(Plan::random(seed));
        let broken = &world.oracle.broken;
        assert!(broken.is_empty(), "seed {seed}: {broken:#?}");
        decided += world.oracle.decided();
        for (marker, count) in world.markers.iter().chain(&world.oracle.markers) {
            *markers.entry(*marker).or_default() += count;
        }
    }
    let all = seeds.end - seeds.start;
    let idle = markers.get("nothing new is decided in the calm").copied().unwrap_or(0);
    assert!(idle * 100 <= all * 10 || all < 100, "{idle} of {all} histories decide nothing in the calm");
    println!("{all} seeds, {decided} transitions decided: {markers:#?}");
    let tame: Vec<_> = MARKERS.iter().filter(|marker| !markers.contains_key(**marker)).collect();
    assert!(tame.is_empty() || all < 100, "no history met {tame:?}");
}

#[test]
fn a_seed_repeats_its_history() {
    let (one, two) = (run(Plan::random(3)), run(Plan::random(3)));
    assert_eq!((one.markers, one.oracle.trace()), (two.markers, two.oracle.trace()));
}

/// Whether some history is broken so. What machines must never do has to show when they do it.
fn is_noticed(words: &str, plan: impl Fn(u64) -> Plan) -> bool {
    (0..300).any(|seed| run(plan(seed)).oracle.broken.iter().any(|broken| broken.contains(words)))
}

#[test]
fn what_voters_let_pass_unchecked_is_noticed() {
    for (forgery, words) in [
        (Forgery::Verdict, "rests on a gate that did not pass"),
        (Forgery::Loss, "vanished while it goes on"),
        (Forgery::Pair, "transitions, not one"),
        (Forgery::Pair, "names another predecessor than the head"),
        (Forgery::Revival, "follows an end"),
        (Forgery::Haste, "vanished before its time"),
    ] {
        assert!(is_noticed(words, |seed| Plan::forging(seed, forgery)), "{forgery:?}: {words}");
    }
}

#[test]
fn a_voter_that_lost_its_record_and_kept_its_key_is_noticed() {
    assert!(is_noticed("two decisions", |seed| Plan::with(seed, Mutation::Amnesia)));
}

#[test]
fn an_answer_for_another_transition_is_noticed() {
    assert!(is_noticed("a client was told of", |seed| Plan::with(seed, Mutation::Rewriting)));
}

#[test]
fn the_success_of_another_task_is_no_success() {
    assert!(is_noticed("a client was told of", |seed| Plan::with(seed, Mutation::Usurpation)));
}

#[test]
fn a_proposer_that_was_overtaken_does_not_guess() {
    let words = "a client was told that its transition does not count";
    let plan = |seed| Plan { machines: 5, loss_percent: 15, slow_percent: 20, ..Plan::with(seed, Mutation::Guess) };
    assert!(is_noticed(words, plan));
}

#[test]
fn voters_with_clocks_of_their_own_are_stuck() {
    assert!(is_noticed("answer in the calm", |seed| Plan::with(seed, Mutation::OwnClock)));
}
