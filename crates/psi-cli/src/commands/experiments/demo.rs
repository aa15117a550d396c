//! `psi-field demo`: a cluster on this machine that shows the pod-drift incident, its remedy, and a node that goes
//! and comes back. Everything is measured over the sockets that any other client would use.

mod acts;
mod board;
mod directory;
mod drift;
mod report;
mod rollout;
mod stage;

use std::{future::Future, time::Duration};

use clap::Args;

use crate::{
    output::{self, Failure, Output},
    process::signals,
};

use self::{board::Board, drift::DriftReport, report::Report, rollout::RolloutReport, stage::Stage};

const AFTER_HELP: &str = "\
Examples:
  psi-field demo                             # about 20 seconds
  psi-field demo --drift  # a machine wears out, in about two minutes
  psi-field demo --rollout  # a bad version of a model, and a good one
  psi-field demo --nodes 5 --seconds 30
  psi-field demo --keep                      # stay up, with addresses to try
  psi-field demo --seconds 5 --output json   # for scripts

Act one replays the incident with replication off: the nodes drift apart. Act two is the same with replication \
on. Act three feeds telemetry of this machine through all nodes while one is stopped and started again. All \
nodes run in this process, on free loopback ports, and meet only over UDP, gRPC and HTTP.

With --drift, all nodes watch a machine with six sensors. After a healthy week, in which one node stops, a bearing \
goes, a sensor freezes, and two sensors come apart. Each second stands for 400 minutes.

With --rollout, three nodes with disks vote on versions of a model. A bad one is rolled back while only one node is \
left, and a good one takes over by itself. All ledgers are verified at the end.

Exit codes: 0 if agreement held in acts two and three, with --drift if all faults were found alike, and with --rollout \
if all went as promised; 1 if not.";

/// Show the incident and the remedy on a cluster on this machine
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Demo {
    /// Nodes, 2 to 16
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    nodes: u8,

    /// How long act three feeds telemetry, seconds, 3 to 3600
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(3..=3600))]
    seconds: u16,

    /// Show a machine that wears out, in place of the incident
    #[arg(long, conflicts_with = "seconds")]
    drift: bool,

    /// Show a bad version of a model and a good one, on three nodes
    #[arg(long, conflicts_with_all = ["seconds", "drift", "nodes"])]
    rollout: bool,

    /// Stay up at the end until Ctrl-C, and print what to try
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let board = Board::new(output);
        if self.drift {
            let (stage, report) = uninterrupted(drift::play(&board, usize::from(self.nodes))).await?;
            board.clear();
            output.print(&report, DriftReport::text)?;
            return self.end(stage, report.found_all, "a fault was not found alike; the report above says which").await;
        }
        if self.rollout {
            let (stage, report) = uninterrupted(rollout::play(&board)).await?;
            board.clear();
            output.print(&report, RolloutReport::text)?;
            return self.end(stage, report.kept_all, &report.broken()).await;
        }
        let (stage, report) = uninterrupted(self.play(&board)).await?;
        board.clear();
        output.print(&report, Report::text)?;
        self.end(stage, report.agreement, "agreement did not hold; the report above says where").await
    }

    /// Keeps the nodes up if that is asked for, and stops them.
    async fn end(&self, stage: Stage, is_well: bool, what: &str) -> Result<(), Failure> {
        if self.keep {
            output::note(stage.invitation());
            signals::stop().await;
        }
        stage.strike().await;
        if is_well { Ok(()) } else { Err(Failure::failed(what)) }
    }

    async fn play(&self, board: &Board) -> Result<(Stage, Report), Failure> {
        let nodes = usize::from(self.nodes);
        let apart = acts::apart(board, nodes).await?;
        let stage = Stage::set(nodes, true).await?;
        let together = acts::together(board, &stage).await?;
        let (stage, returning) = acts::returning(board, stage, Duration::from_secs(self.seconds.into())).await?;
        Ok((stage, Report::new(nodes, apart, together, returning)))
    }
}

async fn uninterrupted<T>(played: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        played = played => played,
        () = signals::stop() => Err(Failure::failed("stopped before the end; nothing was decided")),
    }
}
