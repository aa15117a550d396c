//! `psi-field completions`: what a shell needs to complete our arguments.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{cli::Cli, failure::Failure, output};

const AFTER_HELP: &str = "\
Examples:
  psi-field completions bash > ~/.local/share/bash-completion/completions/psi-field
  psi-field completions zsh > ~/.zfunc/_psi-field
  psi-field completions fish > ~/.config/fish/completions/psi-field.fish";

/// Print a script that completes arguments in a shell
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "psi-field", &mut script);
        let mut script = String::from_utf8_lossy(&script).into_owned();
        if self.shell == Shell::Bash {
            // clap_complete 4.6 takes the dash of our name for a subcommand where it looks states up, not where it sets
            // them, so nothing would be completed after a subcommand.
            script = script.replace("psi__subcmd__field", "psi__field");
        }
        output::line(script.trim_end())
    }
}
