//! `psi-field guardian`: intervenes by hand.

use clap::{Args, Subcommand};
use psi_api::v1::{InterveneRequest, Intervention};
use serde::Serialize;

use super::{FieldArg, terms::Writing};
use crate::{
    answer,
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
    terms: Writing,
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
    replicated: Option<answer::Replicated>,
}

impl Guardian {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let (target, action, name) = match self.action {
            Action::Nigredo(target) => (target, Intervention::Nigredo, "nigredo"),
            Action::Albedo(target) => (target, Intervention::Albedo, "albedo"),
        };
        let request = InterveneRequest {
            field: target.field.field.clone(),
            action: action.into(),
            after: target.terms.after.after.clone(),
            deadline_ms: target.terms.after.deadline_ms(),
            replicate_to: target.terms.level(),
            request_id: target.terms.request_id.clone(),
        };
        let nodes = target.terms.after.patient(&target.nodes);
        let asked = nodes.ask(async |channel| client::fields(channel).intervene(request.clone()).await);
        let response = asked.await?.answer;
        let answer = Answer {
            field: target.field.field,
            action: name,
            noise: response.noise,
            timestamp: response.timestamp.map(|time| numbers::time(time.seconds, time.nanos)),
            node: response.node,
            token: response.token,
            replicated: response.replicated.map(Into::into),
        };
        output.print(&answer, |answer| {
            let Answer { action, field, noise, node, replicated, .. } = answer;
            let done = format!("{action} on field {field}: noise ν is now {} (node {node})", short(*noise));
            replicated.as_ref().map_or_else(|| done.clone(), |replicated| format!("{done}\n{replicated}"))
        })
    }
}
