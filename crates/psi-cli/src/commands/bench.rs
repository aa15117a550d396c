//! `psi-field bench`: starts what it measures and prints one table, with ratios from the same run.

mod calls;
mod capacity;
mod engines;
mod fields;
mod http;
mod local;
mod machine;
mod meter;
mod moments;
mod origins;
mod plan;
mod plot;
mod process;
mod progress;
mod propagation;
mod relay;
mod report;
mod rig;
mod rounds;
mod row;
mod snapshot;
mod usage;
mod wire_bytes;

use std::{
    path::PathBuf,
    pin,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand, ValueEnum};

pub(crate) use self::http::handlers::ServeHandlers;
use self::{
    plan::Plan,
    progress::Progress,
    report::{Kept, Measured, Report, Settings},
};
use crate::{
    failure::Failure,
    output::{self, Output},
    signals,
};

const AFTER_HELP: &str = "\
Examples:
  psi-field bench                                # everything
  psi-field bench calls --quick                  # a first look
  psi-field bench calls --rounds 9 --seconds 2
  psi-field bench --output json --save bench.json
  psi-field bench plot bench.json pictures       # what was saved, as PNGs

Starts the nodes that it measures, as processes on free ports of this machine, and ends them. A row's figure is the \
median over the rounds, spread is the least and the greatest. In each round every row of a group has one turn; every \
second round goes in reverse. A ratio is taken within a round, row over row, then its median. Figures depend on the \
machine, which clients and nodes share; ratios much less. Leave the machine alone meanwhile, and build with --release.

Targets are shown beside the ratios, met or not. Ctrl-C prints the groups that are done.

Exit codes: 0 everything was measured, whether or not targets are met; 1 a row could not be measured, or stopped before \
the end; 2 wrong arguments.";

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Group {
    /// A step over gRPC, against an empty call: unary, streamed, in batches
    Calls,
    /// `POST /step`, against handlers that do nothing, or only parse and answer
    Http,
    /// Engines and replica in this process, without a wire
    Engines,
    /// Exact moments, against a loop of doubles
    Moments,
    /// How long after its answer a step shows at the other nodes
    Propagation,
    /// What a step costs on the wire between nodes
    Bytes,
    /// What a node costs by what it holds: many fields, many origins, many steps
    Capacity,
    /// What it takes to write and to read what a node holds
    Snapshot,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plot(plot::Plot),
}

/// Measure what steps cost, against what doing nothing costs
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    command: Option<Command>,

    /// What to measure; everything unless told otherwise
    #[arg(value_enum, value_name = "GROUP")]
    groups: Vec<Group>,

    /// How often each row is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// How long each row is measured in a round
    #[arg(long, default_value = "1", value_parser = parse_seconds)]
    seconds: Duration,

    /// One round of 0.2 s: a look, no measurement
    #[arg(long, conflicts_with_all = ["rounds", "seconds"])]
    quick: bool,

    /// Write the report to this file too, as JSON. An earlier run in it is replaced once this one is through
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

impl Group {
    fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Http => "http",
            Self::Engines => "engines",
            Self::Moments => "moments",
            Self::Propagation => "propagation",
            Self::Bytes => "bytes",
            Self::Capacity => "capacity",
            Self::Snapshot => "snapshot",
        }
    }

    async fn measure(self, plan: &Plan, progress: &Progress) -> Result<Measured, Failure> {
        match self {
            Self::Calls => calls::measure(plan, progress).await,
            Self::Http => http::measure(plan, progress).await,
            Self::Engines => engines::measure(plan, progress).await,
            Self::Moments => moments::measure(plan, progress).await,
            Self::Propagation => propagation::measure(plan, progress).await,
            Self::Bytes => wire_bytes::measure(plan, progress).await,
            Self::Capacity => capacity::measure(plan, progress).await,
            Self::Snapshot => snapshot::measure(plan, progress).await,
        }
    }
}

/// Half of the cores are for callers. If these take as many threads as there are cores, and nodes do too, what a call waits
/// for is its thread's next turn, which is milliseconds away, and not the node.
pub(crate) fn threads() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1)
}

impl Bench {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        if let Some(Command::Plot(plot)) = self.command {
            return plot.run(output);
        }
        let kept = self.save.as_deref().map(Kept::open).transpose()?;
        let (groups, plan) = (self.groups(), self.plan());
        let names = groups.iter().map(|group| group.name()).collect();
        let mut report = Report::new(Settings { groups: names, plan });
        let begun = Instant::now();
        let progress = Progress::new(output);
        report.complete = measure(&groups, &plan, &progress, &mut report).await;
        progress.clear();
        report.duration_s = report::seconds(begun.elapsed());
        output.print(&report, Report::text)?;
        kept.map_or(Ok(()), |kept| kept.write(&report))?;
        verdict(&report)
    }

    /// Those that were asked for, each once, in the order of the list.
    fn groups(&self) -> Vec<Group> {
        let asked = |group: &Group| self.groups.is_empty() || self.groups.contains(group);
        Group::value_variants().iter().copied().filter(asked).collect()
    }

    fn plan(&self) -> Plan {
        if self.quick { Plan::QUICK } else { Plan { rounds: self.rounds, time: self.seconds } }
    }
}

/// Measures group after group until all are done, or somebody has enough; whether all are. What a group has started ends
/// with it, also where it is told to stop.
async fn measure(groups: &[Group], plan: &Plan, progress: &Progress, report: &mut Report) -> bool {
    let mut told_to_stop = pin::pin!(signals::stop());
    for group in groups {
        progress.group(group.name());
        let measured = tokio::select! {
            measured = group.measure(plan, progress) => measured,
            () = &mut told_to_stop => return false,
        };
        report.add(measured.unwrap_or_else(|failure| Measured {
            rows: vec![row::unmeasured(group.name(), failure.text())],
            notes: Vec::new(),
        }));
    }
    true
}

fn verdict(report: &Report) -> Result<(), Failure> {
    if !report.complete && report.is_empty() {
        return Err(Failure::failed("stopped before the first group was through; nothing is shown of a part of one"));
    }
    if !report.complete {
        return Err(Failure::failed("stopped before the end; the groups that were done are above"));
    }
    match report.failures() {
        0 => Ok(()),
        failed => {
            let rows = output::counted(failed as u64, "row");
            Err(Failure::failed(format!("{rows} could not be measured, or not in every round; the notes say why")))
        }
    }
}
