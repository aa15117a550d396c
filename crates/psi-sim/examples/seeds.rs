//! Runs seeds and says what the first that fails was caught by: `cargo run -p psi-sim --example seeds -- 500`. For
//! `mutants/run`, which builds it with errors put in on purpose; `psi-field sim` says more.

use std::process::ExitCode;

use psi_sim::{Options, Sweep};

fn main() -> ExitCode {
    let seeds = std::env::args().nth(1).and_then(|seeds| seeds.parse().ok()).unwrap_or(100);
    // Panics of a run are caught and reported as its failure.
    std::panic::set_hook(Box::new(|_| ()));
    let sweep = Sweep { first: 0, seeds, options: Options::default() };
    match sweep.run(&|| ()).failure {
        None => {
            println!("{seeds} seeds held");
            ExitCode::SUCCESS
        }
        Some(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}
