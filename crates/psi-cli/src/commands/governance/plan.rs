//! `psi-field plan`: what follows by itself where the inputs of a model's champion drift.

mod shown;

use clap::{Args, Subcommand};
use psi_api::v1::{GetRemediationRequest, ListPlansRequest, SetRemediationRequest, WatchEventsRequest};

use self::shown::{EventAnswer, ListAnswer, ModeAnswer, PlanAnswer};
use super::rollout::PlanArguments;
use crate::{
    client::{self, Nodes},
    output::{Failure, Output},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field plan mode churn watch
  psi-field plan list
  psi-field plan show drift-churn-1
  psi-field plan events churn

Off until you say otherwise. With `watch` it is written down what would follow. With `on` a rollout of the version in \
STAGING begins, where there is just one. The gates of the rollout decide then.";

const MODE_EXAMPLES: &str = "\
Examples:
  psi-field plan mode churn
  psi-field plan mode churn watch
  psi-field plan mode churn on --schedule 1,10,50 --window 30m

Without a mode: what is set, how severe the drift is, and what follows or why nothing does.";

const LIST_EXAMPLES: &str = "\
Examples:
  psi-field plan list
  psi-field plan list churn --status executing";

const SHOW_EXAMPLES: &str = "\
Examples:
  psi-field plan show drift-churn-1
  psi-field plan show drift-churn-1 --output json | jq .actions";

const EVENTS_EXAMPLES: &str = "\
Examples:
  psi-field plan events
  psi-field plan events churn --recent --output json

What happens to models, from whichever node: stages, rollouts, drift. Ends with Ctrl-C.";

/// What follows by itself where inputs drift: off until you say otherwise
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct PlanCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Show or set what follows for a model: off, watch or on
    #[command(after_help = MODE_EXAMPLES)]
    Mode(Box<Mode>),
    /// What drift led to
    #[command(after_help = LIST_EXAMPLES)]
    List(ListQuery),
    /// A plan, its actions, and what comes next
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Target),
    /// What happens to models, as it happens
    #[command(after_help = EVENTS_EXAMPLES)]
    Events(EventQuery),
}

#[derive(Clone, Debug, Args)]
struct Mode {
    /// The model
    model: String,
    /// off, watch or on
    mode: Option<String>,
    #[command(flatten)]
    plan: PlanArguments,
    /// Why, in words
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct ListQuery {
    /// The model; all if left out
    model: Option<String>,
    /// Those of this status: pending, executing, completed or partial
    #[arg(long, default_value = "", hide_default_value = true, value_name = "STATUS")]
    status: String,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Target {
    /// The plan
    plan: String,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct EventQuery {
    /// The model; all if left out
    model: Option<String>,
    /// Begin with what ledgers still show
    #[arg(long)]
    recent: bool,
    #[command(flatten)]
    nodes: Nodes,
}

impl PlanCommand {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Action::Mode(mode) => mode.run(output).await,
            Action::List(query) => query.run(output).await,
            Action::Show(target) => target.run(output).await,
            Action::Events(query) => query.run(output).await,
        }
    }
}

impl Mode {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { model, mode, plan, reason, nodes } = self;
        let answer = if let Some(mode) = mode {
            let (plan, deadline_ms) = (plan.given(), nodes.deadline_ms());
            let request = SetRemediationRequest { model, mode, plan, reason, deadline_ms };
            nodes.ask(async |channel| client::rollouts(channel).set_remediation(request.clone()).await).await?.answer
        } else {
            if plan.given().is_some() {
                return Err(Failure::usage("how a rollout goes is set together with a mode: name off, watch or on"));
            }
            let request = GetRemediationRequest { model };
            nodes.ask(async |channel| client::rollouts(channel).get_remediation(request.clone()).await).await?.answer
        };
        output.print(&ModeAnswer::from(answer), ModeAnswer::text)
    }
}

impl ListQuery {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { model, status, nodes } = self;
        let request = ListPlansRequest { model: model.unwrap_or_default(), status };
        let reply = nodes.ask(async |channel| client::rollouts(channel).list_plans(request.clone()).await);
        output.print(&ListAnswer::from(reply.await?.answer), ListAnswer::text)
    }
}

impl Target {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { plan: id, nodes } = self;
        let request = ListPlansRequest::default();
        let reply = nodes.ask(async |channel| client::rollouts(channel).list_plans(request.clone()).await).await?;
        let found = reply.answer.plans.into_iter().find(|plan| plan.id == id);
        let missing = || {
            Failure::failed(format!("there is no plan {id}; see psi-field plan list: a model keeps its latest four"))
        };
        output.print(&PlanAnswer::from(found.ok_or_else(missing)?), PlanAnswer::text)
    }
}

impl EventQuery {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { model, recent, nodes } = self;
        let request = WatchEventsRequest { model: model.unwrap_or_default(), recent };
        let reply = nodes.ask(async |channel| client::rollouts(channel).watch_events(request.clone()).await).await?;
        let (mut events, address) = (reply.answer, reply.address);
        while let Some(event) = events.message().await.map_err(|status| Failure::refused(&address, &status))? {
            output.print(&EventAnswer::from(event), EventAnswer::text)?;
        }
        Err(Failure::unreachable(format!("node {address} ended the watch; watch another node")))
    }
}
