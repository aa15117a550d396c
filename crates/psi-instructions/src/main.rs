//! Instructions of the hot path: one scenario a run, counted by Valgrind from outside.
//!
//! `just instructions` runs `crates/psi-instructions/check`, which builds this and runs each scenario once under
//! `valgrind --tool=callgrind`, collecting within [`counter::counted_by_valgrind`] alone; so what a scenario needs beforehand costs
//! nothing. Without an argument the program lists its scenarios, each with how often it does what is counted.
//!
//! Inputs and clocks are fixed, and nothing that is measured iterates in an order by chance: the same program gives the
//! same counts. What is left out: time, for which there is `cargo bench`, caches, and everything around a replica.

mod counter;
mod replica;
#[path = "../../psi-state/benches/common/mod.rs"]
mod replicas;
mod vectors;

use std::process::ExitCode;

/// What is counted, under a name.
struct Scenario {
    name: &'static str,
    /// How often it is done in a run.
    repetitions: u64,
    run: fn(u64),
}

const fn scenario(name: &'static str, repetitions: u64, run: fn(u64)) -> Scenario {
    Scenario { name, repetitions, run }
}

/// A change of repetitions is a change of what is recorded: later ones find more in the replica.
const SCENARIOS: [Scenario; 19] = [
    scenario("quantize_ordinary", 256, vectors::quantize_ordinary),
    scenario("quantize_widest", 256, vectors::quantize_widest),
    scenario("moments_add_ordinary", 256, vectors::moments_add_ordinary),
    scenario("moments_add_widest", 256, vectors::moments_add_widest),
    scenario("synthetic_score", 256, vectors::synthetic_score),
    scenario("core_step_full_memory", 50, vectors::core_step_full_memory),
    scenario("replica_step_synthetic", 200, replica::step_synthetic),
    scenario("replica_step_with_outcome", 200, replica::step_with_outcome),
    scenario("replica_step_with_measures", 200, replica::step_with_measures),
    scenario("replica_step_core", 200, replica::step_core),
    scenario("replica_step_among_50_origins", 200, replica::step_among_origins),
    scenario("replica_batch_64", 20, replica::batch),
    scenario("replica_flush_synthetic", 20, replica::flush_synthetic),
    scenario("replica_flush_core", 20, replica::flush_core),
    scenario("replica_apply_delta_synthetic", 20, replica::apply_delta_synthetic),
    scenario("replica_apply_delta_core", 20, replica::apply_delta_core),
    scenario("token", 100, replica::token),
    scenario("token_of_50_origins", 100, replica::token_of_origins),
    scenario("answer_of_step", 100, replica::answer),
];

fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(1) else {
        SCENARIOS.iter().for_each(|scenario| println!("{} {}", scenario.name, scenario.repetitions));
        return ExitCode::SUCCESS;
    };
    let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == name) else {
        eprintln!("there is no scenario {name}; without an argument they are listed");
        return ExitCode::from(2);
    };
    (scenario.run)(scenario.repetitions);
    ExitCode::SUCCESS
}
