//! `psi-field completions`: what a shell needs to complete our arguments.

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

// A circle with `cli.rs`: the command is in the list of commands, and completes the whole list.
use crate::{
    cli::Cli,
    output::{self, Failure, Output},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field completions bash > \\
      ~/.local/share/bash-completion/completions/psi-field
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
    pub(crate) async fn run(self, _: Output) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut visible(&Cli::command()), "psi-field", &mut script);
        let mut script = String::from_utf8_lossy(&script).into_owned();
        if self.shell == Shell::Bash {
            // clap_complete 4.6 takes the dash of our name for a subcommand where it looks states up, not where it sets
            // them, so nothing would be completed after a subcommand.
            script = script.replace("psi__subcmd__field", "psi__field");
        }
        output::line(script.trim_end())
    }
}

/// The same without the commands that only this program calls: clap_complete shows those too.
fn visible(all: &Command) -> Command {
    let commands = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let version = all.get_version().unwrap_or_default().to_owned();
    Command::new("psi-field").version(version).args(all.get_arguments().cloned()).subcommands(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_completed_but_those_that_no_help_shows() {
        let all = Cli::command();
        let names = |command: &Command| -> Vec<String> {
            command.get_subcommands().map(|one| one.get_name().to_owned()).collect()
        };
        let mut want = names(&all);
        want.retain(|name| name != "bench-handlers");
        assert!(want.len() < names(&all).len());
        assert_eq!(names(&visible(&all)), want);
        assert!(visible(&all).get_arguments().any(|argument| argument.get_long() == Some("output")));
    }
}
