//! The command line: one binary that runs a node, and talks to nodes.
//!
//! Start at [`Cli`], which lists the commands. Each has a file in a folder of `commands/`, with its arguments, its help and
//! what it does. Everything that a command prints goes through `output`, and so does every way in which it fails.
//! Left out on purpose: storing and replicating, and scoring except in `replay`. A command that would need these asks a
//! node. What `bench` measures is the crate `psi-bench`.

// They panic once the terminal is closed; `output` has what does not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod answer;
mod cli;
mod client;
mod commands;
mod output;
mod process;
pub mod reference;
mod settings;
mod source;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

pub use cli::Cli;

/// Does what the arguments of this process say; the answer is its exit code.
#[must_use]
pub fn run() -> ExitCode {
    // Help is as wide as everything else.
    let matches = Cli::command().term_width(output::screen::prose_width()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let output = cli.output;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = cli.command.threads() {
        builder.worker_threads(threads);
    }
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::Failure::failed(format!("can't start: {error}")).report(output),
    };
    let result = runtime.block_on(cli.command.run(output));
    // A thread that still waits for standard input would otherwise keep the process alive.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(output),
    }
}
