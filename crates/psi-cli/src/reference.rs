//! The tables of the documentation that follow from this crate's own: settings, variables, commands. All are Markdown and
//! end with a line feed.

use clap::{Arg, Command, CommandFactory};

use crate::{cli::Cli, settings::DEFINITIONS};

const SETTINGS: &str = "\
| name | variable | flag | unit | default | takes | what it does |
|---|---|---|---|---|---|---|
";

/// All settings of a node, one table for each section of the file.
#[must_use]
pub fn settings() -> String {
    let mut text = String::new();
    let mut section = "";
    for definition in &DEFINITIONS {
        if definition.section() != section {
            section = definition.section();
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}### `[{section}]`\n\n{SETTINGS}");
        }
        text += &format!(
            "| `{}` | `{}` | `--{}` | {} | {} | {} | {} |\n",
            definition.name(),
            definition.variable(),
            definition.flag(),
            definition.unit(),
            cell(&definition.default_text()),
            cell(&definition.kind.takes()),
            cell(definition.meaning),
        );
    }
    text
}

/// The variables that stand for flags of commands, beside the settings; commands that read the same are one row.
#[must_use]
pub fn variables() -> String {
    let cli = Cli::command();
    let mut rows: Vec<VariableRow> = Vec::new();
    for command in commands_shown(&cli) {
        for row in arguments_deep(command).into_iter().filter_map(VariableRow::of) {
            let name = format!("`{}`", command.get_name());
            match rows.iter_mut().find(|known| VariableRow { commands: Vec::new(), ..(**known).clone() } == row) {
                Some(known) => known.commands.push(name),
                None => rows.push(VariableRow { commands: vec![name], ..row }),
            }
        }
    }
    let mut text = "| variable | commands | flag | default | what it does |\n|---|---|---|---|---|\n".to_owned();
    for VariableRow { variable, commands, flag, default, help } in rows {
        text += &format!("| `{variable}` | {} | `--{flag}` | {default} | {help} |\n", commands.join(", "));
    }
    text
}

/// A variable, and what it stands for.
#[derive(Clone, PartialEq)]
struct VariableRow {
    variable: String,
    commands: Vec<String>,
    flag: String,
    default: String,
    help: String,
}

impl VariableRow {
    /// Of no command yet; none if the argument has no variable.
    fn of(argument: &Arg) -> Option<Self> {
        let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        Some(Self {
            variable: argument.get_env()?.to_string_lossy().into_owned(),
            commands: Vec::new(),
            flag: argument.get_long()?.to_owned(),
            default: cell(&defaults.join(",")),
            help: cell(&argument.get_help().map(ToString::to_string).unwrap_or_default()),
        })
    }
}

/// All commands, in the order of `--help`.
#[must_use]
pub fn commands() -> String {
    let mut text = "| command | what it does |\n|---|---|\n".to_owned();
    let cli = Cli::command();
    for command in commands_shown(&cli) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        text += &format!("| `psi-field {}` | {} |\n", command.get_name(), cell(&about));
    }
    text
}

/// Those that help shows.
fn commands_shown(cli: &Command) -> impl Iterator<Item = &Command> {
    cli.get_subcommands().filter(|command| !command.is_hide_set())
}

/// Those of its subcommands too; of several with one variable the first.
fn arguments_deep(command: &Command) -> Vec<&Arg> {
    let own = command.get_arguments();
    let inner = command.get_subcommands().flat_map(Command::get_arguments);
    let mut arguments: Vec<&Arg> = Vec::new();
    for argument in own.chain(inner) {
        if !arguments.iter().any(|known| known.get_env() == argument.get_env()) {
            arguments.push(argument);
        }
    }
    arguments
}

/// Text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;

    #[test]
    fn every_setting_has_a_row_with_all_its_cells() {
        let text = settings();
        for definition in &DEFINITIONS {
            let (variable, flag) = (definition.variable(), definition.flag());
            let row = text.lines().find(|line| line.contains(&format!("| `{variable}` | `--{flag}` |")));
            let cells = row.unwrap_or_else(|| panic!("{variable}")).replace("\\|", "").matches('|').count();
            assert_eq!(cells, 8, "{variable}");
        }
    }

    #[test]
    fn every_variable_of_a_command_is_known_to_a_node() {
        let text = variables();
        let of_row = |row: &str| row.split('`').nth(1).map(str::to_owned);
        let names: Vec<String> = text.lines().skip(2).filter_map(of_row).collect();
        for own in settings::VARIABLES_OF_COMMANDS {
            assert!(names.iter().any(|name| name == own), "no command reads {own}");
        }
        assert_eq!(settings::unknown(names.into_iter()), []);
    }

    #[test]
    fn hidden_commands_have_no_row() {
        let text = commands();
        assert!(text.contains("| `psi-field node` | ") && !text.contains("bench-handlers"), "{text}");
    }
}
