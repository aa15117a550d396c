//! `psi-field field`: lists, makes, changes, resets, drops and labels fields, and names their columns.

use std::slice;

use clap::{ArgGroup, Args, Subcommand, builder::NonEmptyStringValueParser};
use psi_api::v1::{
    ChangeFieldRequest, CreateFieldRequest, DropFieldRequest, GetStateRequest, GuardianMode, LabelFieldRequest,
    ResetFieldRequest,
};
use psi_engine::{EngineKind, Parameters};
use serde::Serialize;

use super::columns::NameList;
use crate::{
    answer,
    client::{self, Nodes},
    commands::arguments::{Changes, Mode, parse_field},
    output::{Confirmation, Failure, Output, numbers::short, pluralize, table},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field field list
  psi-field field create sensors --width 4
  psi-field field change sensors --guardian watch
  psi-field field label sensors \"Pumps of hall 3\"
  psi-field field columns sensors temp,pressure,flow,current
  psi-field field drop sensors";

const LIST_EXAMPLES: &str = "\
Examples:
  psi-field field list
  psi-field field list --output json              # with all parameters";

const CREATE_EXAMPLES: &str = "\
Examples:
  psi-field field create sensors --width 4
  psi-field field create boiler --width 2 --names temp,pressure
  psi-field field create plain --engine synthetic --guardian watch
  psi-field field create prices --width 2 --scale-exponent 10 \\
      --param dt=0.1 --param dt_max=1

Engine `core` learns: it remembers, predicts, and scores against what it expected. `synthetic` scores each vector by \
itself and by the noise that interventions left.
Inputs are kept in multiples of 2^(E - 56) and must be below 2^(24 + E) in size, where E is the scale exponent.
Parameters and guardian can be changed later. Engine, width, scale, seed and `latent_dim` can be changed only before \
the first step, or with a reset.";

const CHANGE_EXAMPLES: &str = "\
Examples:
  psi-field field change sensors --param dt=0.1
  psi-field field change sensors --guardian watch
  # before its first step
  psi-field field change default --engine core --guardian intervene

Everything else stays as it is, counts included. Engine, width, scale, seed and (for engine `core`) the parameter \
latent_dim can be changed only before the first step. After that, use `psi-field field reset`.";

/// The one that is made up lists every flag in one line.
const CHANGE_USAGE: &str = "psi-field field change <NAME> <WHAT TO CHANGE>... [OPTIONS]";

const RESET_EXAMPLES: &str = "\
Examples:
  psi-field field reset sensors                  # asks first
  psi-field field reset sensors --yes --param dt=0.1
  psi-field field reset sensors --yes --engine synthetic --guardian watch

All nodes drop what the field counted and learned. Parameters that are not given get their defaults; everything else \
stays as it is. Without a terminal to ask on, or with `--output json`, it takes --yes.";

const DROP_EXAMPLES: &str = "\
Examples:
  psi-field field drop sensors                   # asks first
  psi-field field drop sensors --yes             # for scripts

All nodes drop what the field counted. `default` can't be dropped, only reset. Without a terminal to ask on, or with \
`--output json`, it takes --yes.";

const LABEL_EXAMPLES: &str = "\
Examples:
  psi-field field label sensors \"Pumps of hall 3\"
  psi-field field label sensors                  # shows it
  psi-field field label sensors --clear
  psi-field field label sensors -- \"-1 to 4 °C\"   # a dash comes after --

A label is for people: one line of at most 256 bytes. It outlives resets, and is there again when a field that was \
dropped is created again.";

const COLUMNS_EXAMPLES: &str = "\
Examples:
  psi-field field columns boiler temp,pressure
  psi-field field columns boiler                 # shows them
  psi-field field columns boiler --clear

One name for each number of an input, in their order: each is one line of at most 64 bytes, and no two are equal. They \
are shown wherever a column is, and outlive resets. While the field has another width, they are not shown. `psi-field \
feed --create` takes them from the header of a CSV file.";

/// List, create, change, reset, drop and label fields, and name their columns
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Field {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// List the fields
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Make a field
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// Change a field and keep its counts
    #[command(after_help = CHANGE_EXAMPLES, override_usage = CHANGE_USAGE)]
    Change(Change),
    /// Start a field over
    #[command(after_help = RESET_EXAMPLES)]
    Reset(Reset),
    /// Remove a field
    #[command(after_help = DROP_EXAMPLES)]
    Drop(Drop),
    /// Show a field's label, or attach another one
    #[command(after_help = LABEL_EXAMPLES)]
    Label(Label),
    /// Show the names of a field's columns, or give them others
    #[command(after_help = COLUMNS_EXAMPLES)]
    Columns(NameList),
}

#[derive(Clone, Debug, Args)]
struct List {
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Create {
    /// Its name: 1 to 64 characters of A-Z a-z 0-9 . _ -
    #[arg(value_parser = parse_field)]
    name: String,
    /// The engine that scores its inputs: core or synthetic
    #[arg(long, default_value_t = EngineKind::Core.to_string(), value_parser = NonEmptyStringValueParser::new())]
    engine: String,
    /// Numbers in an input vector
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=psi_state::WIDTH_MAX as i64))]
    width: u32,
    /// Power of two that scales the inputs' range and precision
    #[arg(long, value_name = "E", default_value_t = 0, allow_negative_numbers = true)]
    scale_exponent: i32,
    /// Seed of the engine's random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What its guardian does about a threat
    #[arg(long, value_enum, default_value_t = Mode::Intervene)]
    guardian: Mode,
    /// Names of its columns, one for each, divided by commas
    #[arg(long, value_delimiter = ',', value_name = "NAME,NAME")]
    names: Vec<String>,
    #[command(flatten)]
    parameters: Changes,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("change").args(FieldSetup::NAMES).required(true).multiple(true))]
struct Change {
    /// Its name
    #[arg(value_parser = parse_field)]
    name: String,
    #[command(flatten)]
    setup: FieldSetup,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Reset {
    /// Its name
    #[arg(value_parser = parse_field)]
    name: String,
    #[command(flatten)]
    setup: FieldSetup,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    nodes: Nodes,
}

/// What to change in a field that exists.
#[derive(Clone, Debug, Args)]
struct FieldSetup {
    /// The engine that scores its inputs: core or synthetic
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    engine: Option<String>,
    /// Numbers in an input vector
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=psi_state::WIDTH_MAX as i64))]
    width: Option<u32>,
    /// Power of two that scales the inputs' range and precision
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    scale_exponent: Option<i32>,
    /// Seed of the engine's random numbers
    #[arg(long)]
    seed: Option<u64>,
    /// What its guardian does about a threat
    #[arg(long, value_enum)]
    guardian: Option<Mode>,
    #[command(flatten)]
    parameters: Changes,
}

impl FieldSetup {
    /// All of them.
    const NAMES: [&'static str; 6] = ["engine", "width", "scale_exponent", "seed", "guardian", "changes"];

    fn guardian(&self) -> i32 {
        self.guardian.map_or(GuardianMode::Unspecified, Into::into).into()
    }
}

#[derive(Clone, Debug, Args)]
struct Drop {
    /// Its name
    #[arg(value_parser = parse_field)]
    name: String,
    #[command(flatten)]
    confirmation: Confirmation,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Label {
    /// Its name
    #[arg(value_parser = parse_field)]
    name: String,
    /// The label; without it, the present one is shown
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    text: Option<String>,
    /// Take the label away
    #[arg(long, conflicts_with = "text")]
    clear: bool,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Serialize)]
struct Fields {
    fields: Vec<answer::Field>,
}

#[derive(Serialize)]
struct DropReport {
    dropped: String,
}

impl Field {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Action::List(command) => command.run(output).await,
            Action::Create(command) => command.run(output).await,
            Action::Change(command) => command.run(output).await,
            Action::Reset(command) => command.run(output).await,
            Action::Drop(command) => command.run(output).await,
            Action::Label(command) => command.run(output).await,
            Action::Columns(command) => command.run(output).await,
        }
    }
}

impl List {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let fields = self.nodes.all_fields().await?.into_iter().map(Into::into).collect();
        output.print(&Fields { fields }, |fields| list_text(&fields.fields))
    }
}

impl Create {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let request = CreateFieldRequest {
            name: self.name,
            engine: self.engine,
            width: self.width,
            scale_exponent: self.scale_exponent,
            seed: self.seed,
            guardian: GuardianMode::from(self.guardian).into(),
            parameters: self.parameters.changes,
            names: self.names,
        };
        let reply = self.nodes.ask(async |channel| client::fields(channel).create_field(request.clone()).await);
        let field = answer::Field::from(reply.await?.answer);
        output.print(&field, |field| format!("created field {}:\n\n{}", field.name, list_text(slice::from_ref(field))))
    }
}

impl Change {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let guardian = self.setup.guardian();
        let FieldSetup { engine, width, scale_exponent, seed, parameters: Changes { changes: parameters }, .. } =
            self.setup;
        let request = ChangeFieldRequest { name: self.name, engine, width, scale_exponent, seed, parameters, guardian };
        let reply = self.nodes.ask(async |channel| client::fields(channel).change_field(request.clone()).await);
        let field = answer::Field::from(reply.await?.answer);
        output.print(&field, |field| format!("changed field {}:\n\n{}", field.name, list_text(slice::from_ref(field))))
    }
}

impl Reset {
    async fn run(self, output: Output) -> Result<(), Failure> {
        confirmed(&self.confirmation, "Start over", &self.name, &self.nodes, output).await?;
        let guardian = self.setup.guardian();
        let FieldSetup { engine, width, scale_exponent, seed, parameters: Changes { changes: parameters }, .. } =
            self.setup;
        let request = ResetFieldRequest { name: self.name, engine, width, scale_exponent, seed, parameters, guardian };
        let reply = self.nodes.ask(async |channel| client::fields(channel).reset_field(request.clone()).await);
        let field = answer::Field::from(reply.await?.answer);
        output.print(&field, |field| {
            format!("field {} starts over:\n\n{}", field.name, list_text(slice::from_ref(field)))
        })
    }
}

impl Drop {
    async fn run(self, output: Output) -> Result<(), Failure> {
        confirmed(&self.confirmation, "Drop", &self.name, &self.nodes, output).await?;
        let request = DropFieldRequest { name: self.name.clone() };
        let reply = self.nodes.ask(async |channel| client::fields(channel).drop_field(request.clone()).await);
        reply.await?;
        output.print(&DropReport { dropped: self.name }, |dropped| format!("dropped field {}", dropped.dropped))
    }
}

/// Says what a field loses for good, and asks.
async fn confirmed(
    confirmation: &Confirmation,
    what: &str,
    name: &str,
    nodes: &Nodes,
    output: Output,
) -> Result<(), Failure> {
    if confirmation.is_given() {
        return Ok(());
    }
    let request = GetStateRequest { field: name.to_owned(), ..GetStateRequest::default() };
    let reply = nodes.ask(async |channel| client::fields(channel).get_state(request.clone()).await).await?;
    let field = answer::Field::from(reply.answer.field.unwrap_or_default());
    let loses = match (field.steps, field.age()) {
        (0, _) | (_, None) => "it has counted no step".to_owned(),
        (steps, Some(age)) => format!("{} of all nodes are lost, the last of {age}", pluralize(steps, "step")),
    };
    confirmation.ask(&format!("{what} field {name}? {loses}."), output)
}

impl Label {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let text = self.text.or(self.clear.then(String::new));
        let field = match text {
            Some(label) => {
                let request = LabelFieldRequest { name: self.name, label };
                self.nodes.ask(async |channel| client::fields(channel).label_field(request.clone()).await).await?.answer
            }
            None => {
                let request = GetStateRequest { field: self.name, ..GetStateRequest::default() };
                let reply = self.nodes.ask(async |channel| client::fields(channel).get_state(request.clone()).await);
                reply.await?.answer.field.unwrap_or_default()
            }
        };
        output.print(&answer::Field::from(field), label_text)
    }
}

fn label_text(field: &answer::Field) -> String {
    match &field.label {
        Some(label) => format!("{}: {label}", field.name),
        None => format!("{} has no label", field.name),
    }
}

fn list_text(fields: &[answer::Field]) -> String {
    let row = |field: &answer::Field| {
        [
            field.name.clone(),
            field.engine.clone(),
            field.guardian.unwrap_or("unknown").to_owned(),
            field.width.to_string(),
            field.steps.to_string(),
            field.age().unwrap_or_else(|| "-".to_owned()),
            field.scale_exponent.to_string(),
            field.seed.to_string(),
            changed_parameters(field),
            field.label.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let header = [
        "field",
        "engine",
        "guardian",
        "width",
        "steps",
        "last step",
        "scale exp",
        "seed",
        "parameters changed",
        "label",
    ];
    table(header, &[3, 4, 5, 6, 7], fields.iter().map(row).collect())
}

/// Those that differ from the defaults of this version.
fn changed_parameters(field: &answer::Field) -> String {
    let defaults = Parameters::default();
    let changed = field.parameters.iter().filter_map(|(name, value)| {
        let value = value.as_f64()?;
        (defaults.value(name) != Some(value)).then(|| format!("{name}={}", short(value)))
    });
    let changed: Vec<String> = changed.collect();
    if changed.is_empty() { "-".to_owned() } else { changed.join(" ") }
}
