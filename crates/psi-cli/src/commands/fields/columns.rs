//! `psi-field field columns`: shows the names of a field's columns, gives them others, or takes them away.

use clap::Args;
use psi_api::v1::{GetStateRequest, NameColumnsRequest};

use crate::{
    answer,
    client::{self, Nodes},
    commands::arguments::parse_field,
    output::{Failure, Output},
};

#[derive(Clone, Debug, Args)]
pub(super) struct NameList {
    /// The field
    #[arg(value_parser = parse_field)]
    name: String,
    /// The names, divided by commas; without them, the present ones are shown
    #[arg(value_delimiter = ',', num_args = 1, value_name = "NAME,NAME")]
    names: Vec<String>,
    /// Take the names away
    #[arg(long, conflicts_with = "names")]
    clear: bool,
    #[command(flatten)]
    nodes: Nodes,
}

impl NameList {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { name, names, clear, nodes } = self;
        let field = if clear || !names.is_empty() {
            let request = NameColumnsRequest { name, names };
            nodes.ask(async |channel| client::fields(channel).name_columns(request.clone()).await).await?.answer
        } else {
            let request = GetStateRequest { field: name, ..GetStateRequest::default() };
            let reply = nodes.ask(async |channel| client::fields(channel).get_state(request.clone()).await);
            reply.await?.answer.field.unwrap_or_default()
        };
        output.print(&answer::Field::from(field), text)
    }
}

fn text(field: &answer::Field) -> String {
    match &field.names {
        Some(names) => format!("{}: {}", field.name, names.join(", ")),
        None => format!("the columns of {} have no names", field.name),
    }
}
