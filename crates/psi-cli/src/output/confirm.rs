//! Asks before what can't be undone.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use super::{failure::Failure, format::Output};

/// The flag of a command that asks.
#[derive(Clone, Debug, Args)]
pub(crate) struct Confirmation {
    /// Do it without asking
    #[arg(long, short)]
    yes: bool,
}

impl Confirmation {
    /// Whether there is no need to ask.
    pub(crate) fn is_given(&self) -> bool {
        self.yes
    }

    /// Asks on a terminal, unless the flag was given. Where nobody can be asked, the flag is the way out.
    ///
    /// # Errors
    /// If it is not confirmed, and so nothing is to be done.
    pub(crate) fn ask(&self, question: &str, output: Output) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        let is_terminal = output == Output::Text && io::stdin().is_terminal();
        if is_terminal && says_yes(question)? {
            return Ok(());
        }
        let way_out = if is_terminal { "" } else { "; add --yes to do it" };
        Err(Failure::usage(format!("not confirmed, so nothing was done{way_out}")))
    }
}

fn says_yes(question: &str) -> Result<bool, Failure> {
    let read_failed = |error| Failure::failed(format!("can't ask on this terminal: {error}"));
    let mut stderr = io::stderr();
    write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).map_err(read_failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(read_failed)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
