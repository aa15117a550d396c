//! Random histories of machines that crash, sleep, lose disks and are cut off, judged by what was observed.
//!
//! A seed repeats its history. `PSI_QUORUM_SEEDS=10000 cargo test -p psi-quorum simulation` runs more of them, and
//! `PSI_QUORUM_SEED=17` only that one.

use std::{collections::BTreeMap, env};

mod client;
mod fault;
mod machine;
mod network;
mod oracle;
mod plan;
mod world;

use plan::{Kind, Plan};
use world::World;

/// What histories of both kinds must meet.
const MARKERS: [&str; 10] = [
    "promise",
    "promise with a vote",
    "vote",
    "nack",
    "decision",
    "refusal",
    "crash",
    "crash in a sync",
    "new key",
    "change of voters",
];
const STEP_MARKERS: [&str; 2] = ["own decision", "other decision"];
const LEASE_MARKERS: [&str; 5] = ["hold", "grant", "lapse", "release", "loss"];

/// Runs seeds and returns how many of them ended with a majority that could talk.
fn run_seeds(kind: Kind, count: u64) {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let count = number("PSI_QUORUM_SEEDS").map_or(count, |all| all / 2);
    let seeds = number("PSI_QUORUM_SEED").map_or(0..count, |seed| seed..seed + 1);
    let (mut live, mut markers) = (0, BTreeMap::<_, u64>::new());
    for seed in seeds.clone() {
        let world = run(Plan::random(kind, seed));
        let broken = &world.oracle.broken;
        assert!(broken.is_empty(), "{kind:?} seed {seed}: {broken:#?}");
        live += u64::from(world.has_majority());
        *markers.entry("change of voters").or_default() += world.oracle.changes() as u64;
        for (marker, count) in world.markers {
            *markers.entry(marker).or_default() += count;
        }
    }
    let all = seeds.end - seeds.start;
    println!("{kind:?}: {all} seeds, {live} with a majority at the end: {markers:?}");
    let wanted: &[_] = if kind == Kind::Lease { &LEASE_MARKERS } else { &STEP_MARKERS };
    let tame: Vec<_> = MARKERS.iter().chain(wanted).filter(|marker| !markers.contains_key(**marker)).collect();
    assert!(tame.is_empty() || all < 100, "no history met {tame:?}");
    assert!(live * 100 >= all * 90, "most histories leave a majority");
}

fn run(plan: Plan) -> World {
    let mut world = World::new(plan);
    world.run_stormy();
    world.run_calm();
    world
}

#[test]
fn a_step_has_one_decision_and_a_majority_decides() {
    run_seeds(Kind::Step, 1000);
}

#[test]
fn holders_of_a_lease_do_not_overlap_and_fences_rise() {
    run_seeds(Kind::Lease, 1000);
}

/// Whether some history is broken so. What the crate rests on and cannot check must show when it is not so.
fn is_noticed(words: &str, plan: impl Fn(u64) -> Plan) -> bool {
    (0..2000).any(|seed| run(plan(seed)).oracle.broken.iter().any(|broken| broken.contains(words)))
}

#[test]
fn a_wiped_voter_under_its_old_key_is_noticed() {
    let plan = |seed| Plan { keeps_key_when_wiped: true, ..Plan::random(Kind::Step, seed) };
    assert!(is_noticed("two decisions", plan));
}

#[test]
fn clocks_that_differ_by_more_are_noticed() {
    let plan = |seed| Plan { rate_ppm_max: 30_000, ..Plan::random(Kind::Lease, seed) };
    assert!(is_noticed("relies on the lease", plan));
}

#[test]
fn clocks_that_stop_while_the_machine_sleeps_are_noticed() {
    let plan = |seed| Plan { clock_stops_in_sleep: true, ..Plan::random(Kind::Lease, seed) };
    assert!(is_noticed("relies on the lease", plan));
}

#[test]
fn a_minority_decides_nothing() {
    for seed in 0..50 {
        for kind in [Kind::Step, Kind::Lease] {
            let mut world = World::new(Plan { machines: 5, first_voters: 5, ..Plan::calm(kind, seed) });
            world.run_until_decided(3);
            world.cut(&[0, 1]);
            for machine in 2..5 {
                world.crash(machine);
            }
            // What is on its way may still decide.
            world.run_ms(500);
            let last = world.oracle.last_step();
            world.run_ms(20_000);
            assert_eq!(world.oracle.last_step(), last, "{kind:?} seed {seed}");
            assert!(world.oracle.broken.is_empty(), "{:#?}", world.oracle.broken);
        }
    }
}

/// All propose at once, and one voter never answers. Everyone learns a verdict soon.
#[test]
fn a_hundred_contenders_decide_while_one_voter_of_three_is_dead() {
    for seed in 0..10 {
        let mut world = World::new(Plan { machines: 101, first_voters: 3, ..Plan::calm(Kind::Step, seed) });
        world.crash(2);
        world.propose_everywhere();
        world.run_ms(3_000);
        assert_eq!(world.waiting(), 0, "seed {seed}: all have a verdict");
        assert!(world.requests <= 3 * 101 * 4, "seed {seed}: {} requests", world.requests);
        assert!(world.oracle.last_step() >= 1 && world.oracle.broken.is_empty(), "{:#?}", world.oracle.broken);
        assert!(world.longest_wait_ms <= 2_500, "seed {seed}: {} ms", world.longest_wait_ms);
        println!("seed {seed}: {} ms, {} requests", world.longest_wait_ms, world.requests);
    }
}
