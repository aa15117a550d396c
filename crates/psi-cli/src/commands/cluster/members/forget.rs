//! `psi-field members forget`: a node will not come back, so the others need not wait for it.

use clap::Args;
use indicatif::HumanBytes;
use psi_api::v1::{ForgetNodeRequest, ForgetNodeResponse, ForgottenRun};
use serde::Serialize;

use super::runs::{Run, Stage};
use crate::{
    client::{self, Nodes},
    output::{
        Confirmation, Failure, Output,
        numbers::{ago, time},
        pluralize, table,
    },
};

const AFTER_HELP: &str = "\
Examples:
  psi-field members forget node-3  # shows what that means, and asks
  psi-field members forget node-3 --yes --output json

The runs of the node end at what is held of them, and the others agree without it. So they can agree again where most \
nodes are gone. What is held of it still counts. Ask a node that has seen all others: steps that only an unheard node \
holds are lost.

Refused for a node that is not known, for the node that is asked, and for one that was heard in the last 30 s. A node \
that was forgotten and lives goes on as a new run.

Exit codes: 0 if the node is forgotten; 1 if that was refused; 2 if it was not confirmed, and nothing was done; 3 if no \
node answers.";

/// Say that a node will not come back
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Forget {
    /// The node that will not come back
    #[arg(value_name = "NODE", value_parser = parse_node)]
    name: String,

    #[command(flatten)]
    confirmation: Confirmation,

    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Serialize)]
struct Report {
    node: String,
    /// The node that was asked.
    asked: String,
    forgotten: bool,
    runs: Vec<ForgottenRow>,
}

#[derive(Serialize)]
struct ForgottenRow {
    #[serde(flatten)]
    run: Run,
    steps: u64,
}

pub(in crate::commands::cluster) fn parse_node(name: &str) -> Result<String, String> {
    psi_replica::NodeId::new(name).map(|name| name.to_string()).map_err(|error| error.to_string())
}

impl Forget {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let planned = self.ask(true).await?;
        if output == Output::Text || !self.confirmation.is_given() {
            output.print(&planned, plan_text)?;
        }
        self.confirmation.ask(&format!("Forget {}?", self.name), output)?;
        let done = self.ask(false).await?;
        output.print(&done, done_text)
    }

    async fn ask(&self, dry_run: bool) -> Result<Report, Failure> {
        let request = ForgetNodeRequest { node: self.name.clone(), dry_run };
        let reply = self.nodes.ask(async |channel| client::cluster(channel).forget_node(request.clone()).await).await?;
        let ForgetNodeResponse { node: asked, runs } = reply.answer;
        let runs = runs.into_iter().filter_map(ForgottenRow::of).collect();
        Ok(Report { node: self.name.clone(), asked, forgotten: !dry_run, runs })
    }
}

impl ForgottenRow {
    fn of(ForgottenRun { run, steps }: ForgottenRun) -> Option<Self> {
        Some(Self { run: run?.into(), steps })
    }
}

fn plan_text(report: &Report) -> String {
    let row = |ForgottenRow { run, steps }: &ForgottenRow| {
        let started = i64::try_from(run.incarnation / 1_000_000).unwrap_or(i64::MAX);
        let started = time(started, 0);
        [
            started.split('.').next().unwrap_or(&started).replace('T', " "),
            run.stage.as_str().to_owned(),
            run.version.to_string(),
            steps.to_string(),
            HumanBytes(run.bytes).to_string(),
            // It has said that it writes no more.
            if run.stage == Stage::Closed { "-".to_owned() } else { ago(run.silence_ms) },
        ]
    };
    let header = ["run since (UTC)", "stage", "writes", "steps", "bytes", "last heard"];
    let runs = table(header, &[2, 3, 4, 5], report.runs.iter().map(row).collect());
    let Report { node, asked, forgotten: _, runs: _ } = report;
    format!(
        "To forget {node} is to end these runs of it, at what {asked} holds of them:\n\n{runs}\n\n\
         The others no longer wait for {node}. These steps still count. If {node} lives\n\
         after all, it goes on as a new run; what it wrote and the others have not seen\n\
         does not count then.\n"
    )
}

fn done_text(report: &Report) -> String {
    let runs = pluralize(report.runs.len() as u64, "run");
    format!("forgot {}: {runs} of it will end within seconds, once most nodes agree", report.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_says_what_is_lost_and_fits_80_columns() {
        let run = Run {
            node: "node-3".to_owned(),
            incarnation: 1_796_000_000_123_456,
            stage: Stage::Silent,
            version: 1_234_567,
            bytes: 98_765_432,
            silence_ms: 7_200_000,
        };
        let runs = vec![ForgottenRow { run, steps: 1_234_000 }];
        let text = plan_text(&Report { node: "node-3".to_owned(), asked: "node-1".to_owned(), forgotten: false, runs });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for want in ["2026-11-30 ", "silent", "1234567", "1234000", "2 h ago", "goes on as a new run"] {
            assert!(text.contains(want), "{want} is missing from:\n{text}");
        }
    }
}
