//! `psi-field demo`: a cluster on this machine that shows the pod-drift incident, its remedy, and a node that goes
//! and comes back. Everything is measured over the sockets that any other client would use.

mod acts;
mod board;
mod report;
mod stage;

use std::time::Duration;

use clap::Args;

use crate::{
    output::{Failure, Output},
    process::signals,
};

use self::{board::Board, report::Report, stage::Stage};

const AFTER_HELP: &str = "\
Examples:
  psi-field demo                             # about 20 seconds
  psi-field demo --nodes 5 --seconds 30
  psi-field demo --keep                      # stay up, with addresses to try
  psi-field demo --seconds 5 --output json   # for scripts

Act one replays the incident with replication off: the nodes drift apart. Act two is the same with replication \
on. Act three feeds telemetry of this machine through all nodes while one is stopped and started again. All \
nodes run in this process, on free loopback ports, and meet only over UDP, gRPC and HTTP.

Exit codes: 0 if agreement held in acts two and three, 1 if it did not.";

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

    /// Stay up at the end until Ctrl-C, and print what to try
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let board = Board::new(output);
        let interrupted = signals::stop();
        let played = self.play(&board);
        let (stage, report) = tokio::select! {
            played = played => played?,
            () = interrupted => return Err(Failure::failed("stopped before the end; nothing was decided")),
        };
        board.clear();
        let agreed = report.agreement;
        output.print(&report, Report::text)?;
        if self.keep {
            eprintln!("{}", stage.invitation());
            signals::stop().await;
        }
        stage.strike().await;
        if agreed { Ok(()) } else { Err(Failure::failed("agreement did not hold; the report above says where")) }
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
