//! Runs seeds and says what the first that fails was caught by: `cargo run -p psi-sim --example seeds -- 500`. From seed
//! 1000 on: `-- 500 1000`. Of one mode: `-- 500 0 clocks`. For `mutants/run`, which builds it with errors put in on purpose;
//! `psi-field sim` says more.

use std::process::ExitCode;

use psi_sim::{Mode, Options, Sweep};

fn main() -> ExitCode {
    let argument = |place| std::env::args().nth(place).and_then(|number| number.parse().ok());
    let (seeds, first) = (argument(1).unwrap_or(100), argument(2).unwrap_or(0));
    // Panics of a run are caught and reported as its failure.
    std::panic::set_hook(Box::new(|_| ()));
    let mode = std::env::args().nth(3);
    let mode = mode.map(|name| Mode::ALL.into_iter().find(|mode| mode.name() == name).expect("there is such a mode"));
    let sweep = Sweep { first, seeds, options: Options { mode, ..Options::default() } };
    match sweep.run(&|| ()).failure {
        None => {
            println!("{seeds} seeds from {first} on held");
            ExitCode::SUCCESS
        }
        Some(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}
