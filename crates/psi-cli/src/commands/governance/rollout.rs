//! `psi-field rollout`: a new version of a model takes over, a percentage at a time, or does not.

mod plan;
mod replay;
pub(super) mod shown;

use clap::{Args, Subcommand};
use psi_api::v1::{ChangeRolloutRequest, GetRolloutRequest, ListRolloutsRequest, Rollout, StartRolloutRequest};

pub(super) use self::plan::PlanArguments;
use self::shown::{ListAnswer, RolloutAnswer};
use crate::{
    client::{self, Nodes},
    output::{Failure, Output},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field version promote churn v1
  psi-field rollout start churn v2 --window 10m
  psi-field rollout show churn
  psi-field rollout pause churn
  psi-field rollout rollback churn --reason \"support is called\"
  psi-field rollout replay steps.csv  # what gates would have said

A majority of the voters decides each change (psi-field lease voters); a rollback needs none. What follows by itself: \
the next percentage, the promotion at the end, and the rollback where a gate fails.";

const START_EXAMPLES: &str = "\
Examples:
  psi-field rollout start churn v2
  psi-field rollout start churn v2 --schedule 1,10,50 --window 30m
  psi-field rollout start churn v2 --error-rate 0.01 --latency 0
  psi-field rollout start churn v2 --metric prediction_error=0.05 \\
      --metric column:price=-2 --drift-severity 0.75

Steps that name no version go to the version that their key leads to. The champion answers those without a key.";

const SHOW_EXAMPLES: &str = "\
Examples:
  psi-field rollout show churn
  psi-field rollout show churn churn-v2-1 --output json | jq .gates

Of the latest rollout if none is named: its percentage, what was counted, what the gates say, and why it holds.";

const LIST_EXAMPLES: &str = "\
Examples:
  psi-field rollout list
  psi-field rollout list churn --status rolled_back";

const CHANGE_EXAMPLES: &str = "\
Examples:
  psi-field rollout advance churn --force --reason \"no traffic at night\"
  psi-field rollout pause churn
  psi-field rollout promote churn

Of the latest rollout of the model, or of the one that --rollout names. With --force, gates, windows and members do not \
count.";

/// Roll a new version of a model out, a percentage at a time
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RolloutCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Begin a rollout
    #[command(after_help = START_EXAMPLES)]
    Start(Start),
    /// Where a rollout stands, and what its gates say
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Target),
    /// Rollouts of a model, or of all
    #[command(after_help = LIST_EXAMPLES)]
    List(ListQuery),
    Replay(Box<replay::Replay>),
    /// Begin the next percentage
    #[command(after_help = CHANGE_EXAMPLES)]
    Advance(ForcedChange),
    /// Let the percentage stay; measuring goes on
    #[command(after_help = CHANGE_EXAMPLES)]
    Pause(Change),
    /// Go on after a pause
    #[command(after_help = CHANGE_EXAMPLES)]
    Resume(Change),
    /// Let the champion answer all again, and reject the version
    #[command(after_help = CHANGE_EXAMPLES)]
    Rollback(Change),
    /// Make the version the champion
    #[command(after_help = CHANGE_EXAMPLES)]
    Promote(ForcedChange),
    /// Let the champion answer all again, and keep the version
    #[command(after_help = CHANGE_EXAMPLES)]
    Cancel(Change),
}

#[derive(Clone, Debug, Args)]
struct Start {
    /// The model
    model: String,
    /// The version that is to take over
    version: String,
    #[command(flatten)]
    plan: PlanArguments,
    /// Begin though the version was rejected; needs --reason
    #[arg(long, requires = "reason")]
    force: bool,
    /// Why, in words
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Target {
    /// The model
    model: String,
    /// The rollout; the latest if left out
    rollout: Option<String>,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct ListQuery {
    /// The model; all if left out
    model: Option<String>,
    /// Those of this status
    #[arg(long, default_value = "", hide_default_value = true, value_name = "STATUS")]
    status: String,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Change {
    /// The model
    model: String,
    /// Refuse unless this is the latest rollout
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    rollout: String,
    /// Why, in words
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct ForcedChange {
    /// Whatever gates, window and members say; needs --reason
    #[arg(long, requires = "reason")]
    force: bool,
    #[command(flatten)]
    change: Change,
}

impl RolloutCommand {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let (command, force, change) = match self.action {
            Action::Start(start) => return start.run(output).await,
            Action::Show(target) => return target.run(output).await,
            Action::List(query) => return query.run(output).await,
            Action::Replay(replay) => return replay.run(output),
            Action::Advance(ForcedChange { force, change }) => ("advance", force, change),
            Action::Promote(ForcedChange { force, change }) => ("promote", force, change),
            Action::Pause(change) => ("pause", false, change),
            Action::Resume(change) => ("resume", false, change),
            Action::Rollback(change) => ("rollback", false, change),
            Action::Cancel(change) => ("cancel", false, change),
        };
        change.run((command, force), output).await
    }
}

fn print(rollout: Rollout, output: Output) -> Result<(), Failure> {
    output.print(&RolloutAnswer::from(rollout), RolloutAnswer::text)
}

impl Start {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { model, version, plan, force: forced, reason, nodes } = self;
        let (plan, deadline_ms) = (plan.given(), nodes.deadline_ms());
        let request = StartRolloutRequest { model, version, plan, reason, forced, deadline_ms };
        let reply = nodes.ask(async |channel| client::rollouts(channel).start_rollout(request.clone()).await);
        print(reply.await?.answer, output)
    }
}

impl Target {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { model, rollout, nodes } = self;
        let request = GetRolloutRequest { model, rollout: rollout.unwrap_or_default() };
        let reply = nodes.ask(async |channel| client::rollouts(channel).get_rollout(request.clone()).await);
        print(reply.await?.answer, output)
    }
}

impl ListQuery {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { model, status, nodes } = self;
        let request = ListRolloutsRequest { model: model.unwrap_or_default(), status };
        let reply = nodes.ask(async |channel| client::rollouts(channel).list_rollouts(request.clone()).await);
        output.print(&ListAnswer::from(reply.await?.answer), ListAnswer::text)
    }
}

impl Change {
    async fn run(self, (command, forced): (&str, bool), output: Output) -> Result<(), Failure> {
        let Self { model, rollout, reason, nodes } = self;
        let (command, deadline_ms) = (command.to_owned(), nodes.deadline_ms());
        let request = ChangeRolloutRequest { model, rollout, command, reason, forced, deadline_ms };
        let reply = nodes.ask(async |channel| client::rollouts(channel).change_rollout(request.clone()).await);
        print(reply.await?.answer, output)
    }
}
