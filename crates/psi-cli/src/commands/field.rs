//! `psi-field field`: lists, makes, resets and drops fields.

use std::slice;

use clap::{Args, Subcommand};
use psi_api::v1::{CreateFieldRequest, DropFieldRequest, ListFieldsRequest, ResetFieldRequest};
use psi_engine::Parameters;
use serde::Serialize;

use super::Changes;
use crate::{
    answer,
    client::{self, Nodes},
    failure::Failure,
    numbers::short,
    output::{Output, table},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field field list
  psi-field field create sensors --width 4
  psi-field field drop sensors";

const LIST_EXAMPLES: &str = "\
Examples:
  psi-field field list
  psi-field field list --output json              # with all parameters";

const CREATE_EXAMPLES: &str = "\
Examples:
  psi-field field create sensors --width 4
  psi-field field create prices --width 2 --scale-exponent 10 --param dt=0.1 --param dt_max=1

Inputs are kept in multiples of 2^(E - 56) and must be below 2^(24 + E) in size, where E is the scale exponent.
Engine, width, scale and seed can't be changed later; drop the field and make it anew.";

const RESET_EXAMPLES: &str = "\
Examples:
  psi-field field reset sensors
  psi-field field reset sensors --param dt=0.1

What it counted is dropped on all nodes. Parameters not named get their defaults; engine, width, scale and seed stay.";

const DROP_EXAMPLES: &str = "\
Examples:
  psi-field field drop sensors

All that it counted is dropped on all nodes. `default` can't be dropped, only reset.";

/// List, create, reset and drop fields
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
    /// Start a field over
    #[command(after_help = RESET_EXAMPLES)]
    Reset(Reset),
    /// Remove a field
    #[command(after_help = DROP_EXAMPLES)]
    Drop(Drop),
}

#[derive(Clone, Debug, Args)]
struct List {
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Create {
    /// Its name: 1 to 64 characters of A-Z a-z 0-9 . _ -
    name: String,
    /// The engine that scores its inputs
    #[arg(long, default_value = "synthetic")]
    engine: String,
    /// Numbers in an input vector
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    width: u32,
    /// Power of two that scales the inputs' range and precision
    #[arg(long, value_name = "E", default_value_t = 0, allow_negative_numbers = true)]
    scale_exponent: i32,
    /// Seed of the engine's random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    parameters: Changes,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Reset {
    /// Its name
    name: String,
    #[command(flatten)]
    parameters: Changes,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Drop {
    /// Its name
    name: String,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Serialize)]
struct Fields {
    fields: Vec<answer::Field>,
}

#[derive(Serialize)]
struct Dropped {
    dropped: String,
}

impl Field {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Action::List(command) => command.run(output).await,
            Action::Create(command) => command.run(output).await,
            Action::Reset(command) => command.run(output).await,
            Action::Drop(command) => command.run(output).await,
        }
    }
}

impl List {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let asked = self.nodes.ask(async |channel| client::fields(channel).list_fields(ListFieldsRequest {}).await);
        let fields = asked.await?.answer.fields.into_iter().map(Into::into).collect();
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
            parameters: self.parameters.changes,
        };
        let asked = self.nodes.ask(async |channel| client::fields(channel).create_field(request.clone()).await);
        let field = answer::Field::from(asked.await?.answer);
        output.print(&field, |field| format!("created field {}:\n\n{}", field.name, list_text(slice::from_ref(field))))
    }
}

impl Reset {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let request = ResetFieldRequest { name: self.name, parameters: self.parameters.changes };
        let asked = self.nodes.ask(async |channel| client::fields(channel).reset_field(request.clone()).await);
        let field = answer::Field::from(asked.await?.answer);
        output.print(&field, |field| {
            format!("field {} starts over:\n\n{}", field.name, list_text(slice::from_ref(field)))
        })
    }
}

impl Drop {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let request = DropFieldRequest { name: self.name.clone() };
        let asked = self.nodes.ask(async |channel| client::fields(channel).drop_field(request.clone()).await);
        asked.await?;
        output.print(&Dropped { dropped: self.name }, |dropped| format!("dropped field {}", dropped.dropped))
    }
}

fn list_text(fields: &[answer::Field]) -> String {
    let row = |field: &answer::Field| {
        [
            field.name.clone(),
            field.engine.clone(),
            field.width.to_string(),
            field.scale_exponent.to_string(),
            field.seed.to_string(),
            changed_parameters(field),
        ]
    };
    let header = ["field", "engine", "width", "scale", "seed", "parameters changed"];
    table(header, &[2, 3, 4], fields.iter().map(row).collect())
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
