//! `psi-field guardian`: intervenes by hand, and shows what the guardian has seen and done.

use clap::{Args, Subcommand};
use psi_api::v1::{AcknowledgeThreatRequest, GetGuardianRequest, InterveneRequest, Intervention};
use serde::Serialize;

use crate::{
    answer::{self, guardian::Summary},
    client::{
        self, Nodes,
        options::{ReadOptions, WriteOptions},
    },
    commands::arguments::FieldArg,
    output::{
        Failure, Output, Tone,
        numbers::{self, short},
        pluralize, table,
    },
};

const AFTER_HELP: &str = "\
Examples:
  psi-field guardian status
  psi-field guardian statistics --field sensors
  psi-field guardian acknowledge
  psi-field guardian nigredo
  psi-field guardian albedo --field sensors --output json

All nodes apply interventions in the order of their clocks, and clip the noise ν to 0 to 1.5 after each. What the \
guardian does about a threat is set with `psi-field field change NAME --guardian watch|intervene`.";

const STATUS_EXAMPLES: &str = "\
Examples:
  psi-field guardian status
  # null while it is down
  psi-field guardian status --field sensors --output json | jq -r .red_flag

The red flag goes up when a step's prediction error or entropy is above its threshold, or its density is below. The \
next intervention takes it down. In mode `intervene` the guardian makes that intervention itself, at most once in \
100 steps.";

const STATISTICS_EXAMPLES: &str = "\
Examples:
  psi-field guardian statistics
  psi-field guardian statistics --field sensors --output json

Of the latest 200 steps of all nodes. Below 50 of them, thresholds are fixed.";

const ACKNOWLEDGE_EXAMPLES: &str = "\
Examples:
  psi-field guardian acknowledge
  psi-field guardian acknowledge --field sensors --output json

The flag is down on all nodes until the next threat. Nothing else changes: neither the noise, nor when the guardian \
may intervene.";

const EXAMPLES: &str = "\
Examples:
  psi-field guardian nigredo
  psi-field guardian albedo --field sensors --node node-1:50051

In a field of engine `core`, nigredo also clears the retained latents, the expected next input, and working memory. \
No metric of `core` depends on the noise.";

/// Show the guardian of a field, or intervene by hand
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Guardian {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Whether the red flag is up, why, and what was done
    #[command(after_help = STATUS_EXAMPLES)]
    Status(QueryArgs),
    /// What the guardian has seen, and its thresholds
    #[command(after_help = STATISTICS_EXAMPLES)]
    Statistics(QueryArgs),
    /// Take the red flag down without an intervention
    #[command(after_help = ACKNOWLEDGE_EXAMPLES)]
    Acknowledge(QueryArgs),
    /// Dissolution: raise the noise by 1.5
    #[command(after_help = EXAMPLES)]
    Nigredo(InterventionArgs),
    /// Purification: lower the noise by 0.7
    #[command(after_help = EXAMPLES)]
    Albedo(InterventionArgs),
}

#[derive(Clone, Debug, Args)]
struct QueryArgs {
    #[command(flatten)]
    field: FieldArg,
    #[command(flatten)]
    options: ReadOptions,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct InterventionArgs {
    #[command(flatten)]
    field: FieldArg,
    #[command(flatten)]
    options: WriteOptions,
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
    replicated: Option<answer::Replication>,
}

impl Guardian {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Action::Status(query) => query.show(output, status_text).await,
            Action::Statistics(query) => query.show(output, statistics_text).await,
            Action::Acknowledge(query) => query.acknowledge(output).await,
            Action::Nigredo(target) => target.intervene(Intervention::Nigredo, "nigredo", output).await,
            Action::Albedo(target) => target.intervene(Intervention::Albedo, "albedo", output).await,
        }
    }
}

impl QueryArgs {
    async fn show(self, output: Output, text: fn(&answer::guardian::Guardian) -> String) -> Result<(), Failure> {
        let (after, deadline_ms) = (self.options.session_token(), self.options.deadline_ms());
        let request = GetGuardianRequest { field: self.field.field.clone(), after, deadline_ms };
        let nodes = self.options.patient(&self.nodes);
        let reply = nodes.ask(async |channel| client::fields(channel).get_guardian(request.clone()).await);
        output.print(&reply.await?.answer.into(), text)
    }
}

impl QueryArgs {
    async fn acknowledge(self, output: Output) -> Result<(), Failure> {
        let (after, deadline_ms) = (self.options.session_token(), self.options.deadline_ms());
        let request = AcknowledgeThreatRequest { field: self.field.field.clone(), after, deadline_ms };
        let nodes = self.options.patient(&self.nodes);
        let reply = nodes.ask(async |channel| client::fields(channel).acknowledge_threat(request.clone()).await);
        output.print(&reply.await?.answer.into(), status_text)
    }
}

impl InterventionArgs {
    async fn intervene(self, action: Intervention, name: &'static str, output: Output) -> Result<(), Failure> {
        let request = InterveneRequest {
            field: self.field.field.clone(),
            action: action.into(),
            after: self.options.read.session_token(),
            deadline_ms: self.options.read.deadline_ms(),
            replicate_to: self.options.level(),
            request_id: self.options.request_id(),
        };
        let nodes = self.options.read.patient(&self.nodes);
        let reply = nodes.ask(async |channel| client::fields(channel).intervene(request.clone()).await);
        let response = reply.await?.answer;
        let answer = Answer {
            field: self.field.field,
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

fn status_text(guardian: &answer::guardian::Guardian) -> String {
    let answer::guardian::Guardian { interventions, automatic, superseded, .. } = guardian;
    let at = guardian.red_flag_step.map(|step| format!(", since step {step}")).unwrap_or_default();
    let flag = guardian
        .red_flag
        .map_or_else(|| "down".to_owned(), |threat| Tone::Bad.paint(&format!("up: {threat}{at}")).to_string());
    let superseded = match superseded {
        0 => String::new(),
        count => format!("; {count} more came after another node's"),
    };
    let last = guardian.last_step.map(|step| format!("\nlast one       at step {step}")).unwrap_or_default();
    format!(
        "{}\n\nred flag       {flag}\nlatest step    {}\ninterventions  {interventions}, {automatic} of them by the \
         guardian{superseded}{last}",
        head(guardian),
        guardian.current_threat.unwrap_or("no threat"),
    )
}

fn statistics_text(guardian: &answer::guardian::Guardian) -> String {
    let steps = pluralize(u64::from(guardian.history_size), "step");
    let kind = match &guardian.thresholds {
        Some(thresholds) if thresholds.adaptive => "adaptive",
        _ => "fixed",
    };
    let threshold = |word: &str, value: Option<f64>| value.map(|value| format!("{word} {}", short(value)));
    let thresholds = guardian.thresholds.as_ref();
    let rows = [
        ("Ψ", "density", guardian.density, threshold("below", thresholds.map(|t| t.density_low))),
        ("PE", "prediction_error", guardian.prediction_error, {
            threshold("above", thresholds.map(|t| t.prediction_error_high))
        }),
        ("H", "temporal_entropy", guardian.temporal_entropy, {
            threshold("above", thresholds.map(|t| t.temporal_entropy_high))
        }),
    ];
    let row = |(symbol, name, summary, threshold): (&str, &str, Option<Summary>, Option<String>)| {
        let value = |of: fn(&Summary) -> f64| summary.as_ref().map(|summary| short(of(summary))).unwrap_or_default();
        [
            symbol.to_owned(),
            name.to_owned(),
            threshold.unwrap_or_default(),
            value(|summary| summary.mean),
            value(|summary| summary.std),
            value(|summary| summary.min),
            value(|summary| summary.max),
            value(|summary| summary.p95),
        ]
    };
    let header = ["", "metric", "threat", "mean", "std", "min", "max", "p95"];
    let table = table(header, &[3, 4, 5, 6, 7], rows.into_iter().map(row).collect());
    let percent = |share: f64| format!("{} %", short((share * 1000.0).round() / 10.0));
    let by_chance = guardian.chance_share.map(|share| format!("; by chance {}", percent(share))).unwrap_or_default();
    let threats = guardian.threat_share.map(|share| format!("threats        {} of steps{by_chance}\n", percent(share)));
    let threats = threats.unwrap_or_default();
    format!("{}\n\nhistory        {steps}\nthresholds     {kind}\n{threats}\n{table}", head(guardian))
}

fn head(guardian: &answer::guardian::Guardian) -> String {
    let mode = guardian.mode.unwrap_or("unknown");
    format!("guardian of field {} (mode {mode}), as node {} holds it", guardian.field, guardian.node)
}
