//! `psi-field version`: the versions of a model, and how their steps went.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use psi_api::v1::{
    ListVersionsRequest, ListVersionsResponse, ModelState, ModelVersion, SetStageRequest, VersionLatency, VersionStage,
};
use serde::Serialize;

use crate::{
    client::{self, Nodes, options::ReadOptions},
    output::{Failure, Output, numbers::short, table},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field field create fraud@v7 --width 3
  psi-field step --field fraud --version v7 --latency-ms 12.5 0.1 0.2 0.3
  psi-field version list fraud

A version of a model is a field that is named MODEL@VERSION. Every node gives the same answer.";

const LIST_EXAMPLES: &str = "\
Examples:
  psi-field version list fraud
  psi-field version list fraud --output json | jq '.versions[].error_rate'";

const PROMOTE_EXAMPLES: &str = "\
Examples:
  psi-field version promote fraud v7 --reason \"what answers today\"
  psi-field version promote fraud v6 --stage archived

Without a rollout: for the first champion, and for versions that are no longer wanted. A majority of the voters decides \
it (psi-field lease voters).";

/// Show the versions of a model, and how their steps went
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct VersionCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// The versions of a model, with their steps, errors and latencies
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Say that a version comes to a stage; PRODUCTION makes it the champion
    #[command(after_help = PROMOTE_EXAMPLES)]
    Promote(Promotion),
}

#[derive(Clone, Debug, Args)]
struct List {
    /// The model
    model: String,
    #[command(flatten)]
    options: ReadOptions,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Promotion {
    /// The model
    model: String,
    /// The version
    version: String,
    /// STAGING, PRODUCTION, ARCHIVED or REJECTED
    #[arg(long, default_value = "PRODUCTION")]
    stage: String,
    /// Let a rejected version come back; needs --reason
    #[arg(long, requires = "reason")]
    force: bool,
    /// Why, in words
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    nodes: Nodes,
}

/// A model, and the stages of its versions.
#[derive(Serialize)]
struct Stages {
    model: String,
    champion: Option<String>,
    stages: BTreeMap<String, String>,
    /// The rollout that is under way.
    rollout: Option<String>,
    step: u64,
    node: String,
}

#[derive(Serialize)]
struct Versions {
    model: String,
    versions: Vec<Version>,
    node: String,
    token: String,
}

#[derive(Serialize)]
struct Version {
    version: String,
    /// Null where nobody gave it one.
    stage: Option<String>,
    field: String,
    steps: u64,
    outcomes: u64,
    errors: u64,
    /// Null without outcomes.
    error_rate: Option<f64>,
    /// Null where no outcome had a latency.
    latency_ms: Option<Latency>,
}

#[derive(Serialize)]
struct Latency {
    steps: u64,
    mean: f64,
}

impl From<ModelVersion> for Version {
    fn from(from: ModelVersion) -> Self {
        let ModelVersion { version, field, steps, outcomes, errors, error_rate, latency_ms, stage } = from;
        let latency_ms = latency_ms.map(|VersionLatency { steps, mean }| Latency { steps, mean });
        let stage = Some(stage).filter(|stage| !stage.is_empty());
        Self { version, stage, field, steps, outcomes, errors, error_rate, latency_ms }
    }
}

impl VersionCommand {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Action::List(list) => list.run(output).await,
            Action::Promote(promotion) => promotion.run(output).await,
        }
    }
}

impl List {
    async fn run(self, output: Output) -> Result<(), Failure> {
        if self.model.is_empty() {
            return Err(Failure::usage("the model has no name; name it, or `default`"));
        }
        let (after, deadline_ms) = (self.options.session_token(), self.options.deadline_ms());
        let request = ListVersionsRequest { model: self.model, after, deadline_ms };
        let nodes = self.options.patient(&self.nodes);
        let reply = nodes.ask(async |channel| client::versions(channel).list_versions(request.clone()).await);
        let ListVersionsResponse { model, versions, node, token } = reply.await?.answer;
        let versions = versions.into_iter().map(Into::into).collect();
        output.print(&Versions { model, versions, node, token }, text)
    }
}

impl Promotion {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { model, version, stage, force: forced, reason, nodes } = self;
        let deadline_ms = nodes.deadline_ms();
        let request = SetStageRequest { model, version, stage, reason, forced, deadline_ms };
        let reply = nodes.ask(async |channel| client::rollouts(channel).set_stage(request.clone()).await);
        output.print(&Stages::from(reply.await?.answer), Stages::text)
    }
}

impl From<ModelState> for Stages {
    fn from(state: ModelState) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let ModelState { model, champion, versions, rollout, step, node } = state;
        let stages = versions.into_iter().map(|VersionStage { version, stage }| (version, stage)).collect();
        Self { model, champion: some(champion), stages, rollout: some(rollout), step, node }
    }
}

impl Stages {
    fn text(&self) -> String {
        let rows = self.stages.iter().map(|(version, stage)| [version.clone(), stage.clone()]).collect();
        let champion = self.champion.as_deref().map_or("no version".to_owned(), |version| format!("version {version}"));
        format!("{champion} of model {} answers\n\n{}", self.model, table(["version", "stage"], &[], rows))
    }
}

fn text(shown: &Versions) -> String {
    let row = |version: &Version| {
        let rate = version.error_rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.2} %", 100.0 * rate));
        let latency = version.latency_ms.as_ref().map_or_else(|| "-".to_owned(), |latency| short(latency.mean));
        let [steps, outcomes, errors] =
            [version.steps, version.outcomes, version.errors].map(|count| count.to_string());
        let stage = version.stage.clone().unwrap_or_else(|| "-".to_owned());
        [version.version.clone(), stage, steps, outcomes, errors, rate, latency]
    };
    let rows = shown.versions.iter().map(row).collect();
    let table =
        table(["version", "stage", "steps", "outcomes", "errors", "error rate", "mean ms"], &[2, 3, 4, 5, 6], rows);
    format!("versions of model {}, as node {} holds them\n\n{table}", shown.model, shown.node)
}
