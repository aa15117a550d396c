//! `psi-field bench`: starts what it measures and prints one table, with ratios from the same run.

mod drift;
mod handlers;
mod plot;
mod save_file;
mod text;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use psi_bench::{Build, Group, Plan, Progress, Report};

pub(crate) use self::handlers::ServeHandlers;
use self::save_file::SaveFile;
use crate::{
    output::{Failure, Output, pluralize},
    process::signals,
};

const BUILD: Build = Build { version: env!("CARGO_PKG_VERSION"), commit: env!("BUILT_FROM_COMMIT") };

const AFTER_HELP: &str = "\
Examples:
  psi-field bench                                # everything
  psi-field bench calls --quick                  # a first look
  psi-field bench calls --rounds 9 --seconds 2
  psi-field bench --output json --save bench.json
  psi-field bench plot bench.json pictures       # what was saved, as PNGs
  psi-field bench drift streams  # how well drift is found in labelled streams

Starts the nodes that it measures, as processes on free ports of this machine, and ends them. A row's figure is the \
median over the rounds; its spread runs from the least to the greatest. In each round every row of a group has one \
turn; every second round goes in reverse. A ratio is taken within a round, row over row; its median is shown. \
Figures depend on the machine, which clients and nodes share. Ratios depend on it much less. Leave the machine alone \
meanwhile, and build with --release.

Targets are shown beside the ratios, met or not. Ctrl-C prints the groups that are done.

Exit codes: 0 everything was measured, whether or not targets are met; 1 a row could not be measured, or it was \
stopped before the end; 2 wrong arguments.";

#[derive(Debug, Subcommand)]
enum Command {
    Drift(drift::Drift),
    Plot(plot::Plot),
}

/// Measure what steps cost, against what doing nothing costs
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    command: Option<Command>,

    /// What to measure; by default everything
    #[arg(value_enum, value_name = "GROUP")]
    groups: Vec<Group>,

    /// How often each row is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// How long each row is measured in a round
    #[arg(long, default_value = "1", value_parser = parse_seconds)]
    seconds: Duration,

    /// One round of 0.2 s: a first look, not a measurement
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,

    /// Also write the report to this file, as JSON. It replaces an earlier run there once this one is complete
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    const LEAST: f64 = 0.05;
    const MOST: f64 = 3600.0;
    match text.parse::<f64>() {
        Ok(seconds) if (LEAST..=MOST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("takes seconds from {LEAST} to {MOST}")),
    }
}

impl Bench {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.command {
            Some(Command::Drift(drift)) => return drift.run(output),
            Some(Command::Plot(plot)) => return plot.run(output),
            None => {}
        }
        let file = self.save.as_deref().map(SaveFile::open).transpose()?;
        let progress = if output == Output::Json { Progress::hidden() } else { Progress::shown() };
        let report = psi_bench::run(BUILD, &self.groups(), self.plan(), &progress, signals::stop()).await;
        output.print(&report, text::text)?;
        file.map_or(Ok(()), |file| file.write(&report))?;
        verdict(&report)
    }

    /// Those that were asked for, each once, in the order of the list.
    fn groups(&self) -> Vec<Group> {
        let is_chosen = |group: &Group| self.groups.is_empty() || self.groups.contains(group);
        Group::value_variants().iter().copied().filter(is_chosen).collect()
    }

    fn plan(&self) -> Plan {
        if self.quick { Plan::QUICK } else { Plan { rounds: self.rounds, time: self.seconds } }
    }
}

fn verdict(report: &Report) -> Result<(), Failure> {
    if !report.complete && report.is_empty() {
        return Err(Failure::failed("stopped before the first group was through, so there is nothing to show"));
    }
    if !report.complete {
        return Err(Failure::failed("stopped before the end; the groups that were done are above"));
    }
    match report.failures() {
        0 => Ok(()),
        failed => {
            let rows = pluralize(failed as u64, "row");
            Err(Failure::failed(format!("{rows} could not be measured, or not in every round; the notes say why")))
        }
    }
}
