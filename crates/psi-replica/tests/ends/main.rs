//! Runs that end, on real replicas of a tiny state: each step adds its number to its run's share, so that a view shows
//! exactly which steps are missing and which were counted twice. Machines crash, stop, start, lose their disks and are
//! cut off from each other for longer than any time-out.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "helpers of tests, where a panic is the report"
)]

mod checks;
#[path = "../common/mod.rs"]
mod common;
mod departures;
mod scenes;
mod steps;
mod world;

use world::{Dice, Faults, World};

fn run(seed: u64) -> World {
    let mut dice = Dice(seed ^ 0xABCD);
    let machines = 2 + dice.below(4) as usize;
    let mut faults = Faults {
        step: 500,
        crash: dice.below(3) * 2,
        stop: dice.below(3) * 3,
        start: 30 + dice.below(200),
        part: dice.below(3) * 2,
        heal: 2 + dice.below(20),
        lose_disk: dice.below(2) * 100,
        old_disk: dice.below(2) * 200,
        gone: dice.below(2) * 50,
        twin: dice.below(4) / 3,
    };
    let disks = [0, 500, 1000][dice.below(3) as usize];
    let mut world = World::new(seed, machines, disks);
    if dice.chance(250) {
        // They have never met: each begins a cluster of its own, and is restarted in it.
        (faults.heal, faults.stop) = (1, 10);
        (0..).zip(&mut world.machines).for_each(|(group, machine)| machine.group = group);
    }
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..4 * 900 {
            world.tick(&faults);
        }
        world.settle();
    }));
    if let Err(panic) = outcome {
        eprintln!("seed {seed}: {machines} machines");
        world.log.iter().for_each(|line| eprintln!("{line}"));
        std::panic::resume_unwind(panic);
    }
    world
}

#[test]
fn whatever_happens_no_step_is_lost_or_counted_twice() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, seeds) = (number("FIRST_SEED", 0), number("SEEDS", 40));
    let mut sums = [0; 8];
    let mut failed = Vec::new();
    for seed in first..first + seeds {
        let Ok(world) = std::panic::catch_unwind(|| run(seed)) else {
            failed.push(seed);
            continue;
        };
        let counts = [
            world.steps as usize,
            world.ended,
            world.late,
            world.replaced,
            world.joined,
            world.reminted,
            world.named.len(),
            world.checkpoints as usize,
        ];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    eprintln!("steps, ended, late, replaced, joined, reminted, lost by name, checkpoints: {sums:?}");
    assert!(failed.is_empty(), "{} seeds failed: {failed:?}", failed.len());
}
