//! `psi-field guardian`: intervenes by hand.

use clap::{Args, Subcommand};
use psi_api::v1::{InterveneRequest, Intervention};
use serde::Serialize;

use super::FieldArg;
use crate::{
    client::{self, Nodes},
    failure::Failure,
    numbers::{self, short},
    output::Output,
};

const AFTER_HELP: &str = "\
Examples:
  psi-field guardian nigredo
  psi-field guardian albedo --field sensors --output json

All nodes fold interventions in the order of their clocks, and clip the noise to 0 to 1.5 after each.";

const EXAMPLES: &str = "\
Examples:
  psi-field guardian nigredo
  psi-field guardian albedo --field sensors --node node-1:50051";

/// Intervene in a field by hand: raise or lower its noise
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Guardian {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Dissolution: raise the noise by 1.5
    #[command(after_help = EXAMPLES)]
    Nigredo(Target),
    /// Purification: lower the noise by 0.7
    #[command(after_help = EXAMPLES)]
    Albedo(Target),
}

#[derive(Clone, Debug, Args)]
struct Target {
    #[command(flatten)]
    field: FieldArg,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Serialize)]
struct Answer {
    field: String,
    action: &'static str,
    noise: f64,
    timestamp: Option<String>,
    node: String,
    token: String,
}

impl Guardian {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let (target, action, name) = match self.action {
            Action::Nigredo(target) => (target, Intervention::Nigredo, "nigredo"),
            Action::Albedo(target) => (target, Intervention::Albedo, "albedo"),
        };
        let request = InterveneRequest { field: target.field.field.clone(), action: action.into() };
        let asked = target.nodes.ask(async |channel| client::fields(channel).intervene(request.clone()).await);
        let response = asked.await?.answer;
        let answer = Answer {
            field: target.field.field,
            action: name,
            noise: response.noise,
            timestamp: response.timestamp.map(|time| numbers::time(time.seconds, time.nanos)),
            node: response.node,
            token: response.token,
        };
        output.print(&answer, |answer| {
            let Answer { action, field, noise, node, .. } = answer;
            format!("{action} on field {field}: noise ν is now {} (node {node})", short(*noise))
        })
    }
}
