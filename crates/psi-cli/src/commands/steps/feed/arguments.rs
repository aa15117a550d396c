//! The arguments of `psi-field feed`.

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use clap::Args;
use psi_api::v1::GuardianMode;

use super::pace::Rate;
use crate::{
    client::{Nodes, parse_timeout},
    commands::arguments::{FieldArg, Mode, parse_limit},
    source::{Columns, CsvFile, Host, Incident, JsonLines, RandomWalk, Source, SourceError},
};

/// Calls in progress that fit one connection of a node with default settings.
const IN_FLIGHT_MAX: u32 = 1000;

/// Vectors read ahead from a source that does not mind.
const AHEAD: usize = 256;

const EXAMPLES: &str = "\
Examples:
  psi-field feed --incident                            # the pod-drift incident, one a second
  psi-field feed --walk --rate 1000 --seconds 30
  psi-field feed --csv iris.csv --field iris --create  # makes the field, as wide as the file
  psi-field feed --csv prices.csv --columns open,close --field prices --create --engine synthetic
  tail -f vectors.jsonl | psi-field feed --jsonl --rate max
  psi-field feed --host --node node-1,node-2,node-3    # in turn; one that is down is left out
  psi-field feed --host --field host --create --every 30 --service   # in a container, until it is stopped

Each step goes to the next node in turn. If that node is not available, the step is sent again to another, with \
back-off. So a step is counted at least once. Several steps are in flight: with --in-flight 1 they arrive in order. \
Ctrl-C ends with the summary.

Exit codes: 0 if every step was accepted; 1 if any was refused or could not be read; 2 wrong arguments; 3 if no node \
accepted any. With --service also 0 if it was stopped.";

static AFTER_HELP: LazyLock<String> = LazyLock::new(|| {
    let names = Host::NAMES.map(|(name, meaning)| format!("  {name:16}  {meaning}"));
    format!("{EXAMPLES}\n\nThe 16 numbers of --host (Linux):\n{}", names.join("\n"))
});

/// Score a stream of vectors, at a rate
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP.as_str())]
pub(crate) struct Feed {
    #[command(flatten)]
    pub(super) field: FieldArg,

    /// Make the field if it is missing, as wide as the source
    #[arg(long)]
    pub(super) create: bool,

    /// With --create: the engine of the field that is made, core or synthetic [default: core]
    #[arg(long, requires = "create", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) engine: Option<String>,

    /// With --create: what the guardian of the field that is made does about a threat [default: intervene]
    #[arg(long, value_enum, requires = "create")]
    guardian_mode: Option<Mode>,

    /// Steps a second, above 0 up to 1000000; or `max`, as fast as the nodes answer
    #[arg(long, short, value_name = "RATE", default_value = "1")]
    rate: Rate,

    /// Seconds from one step to the next, instead of --rate
    #[arg(long, value_name = "SECONDS", value_parser = parse_limit, conflicts_with = "rate")]
    every: Option<Duration>,

    /// Stop after this many steps
    #[arg(long, short = 'n', value_name = "STEPS")]
    pub(super) count: Option<u64>,

    /// Stop after this long
    #[arg(long, value_name = "SECONDS", value_parser = parse_limit)]
    pub(super) seconds: Option<Duration>,

    /// Most steps in flight. Too low: high rates are not reached. Too high: a slow node answers even later
    #[arg(
        long,
        value_name = "STEPS",
        default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(IN_FLIGHT_MAX))
    )]
    pub(super) in_flight: u32,

    /// How long to retry a step while no node is available, seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_patience)]
    pub(super) patience: Duration,

    /// Run unattended, as in a container. Wait for a node without limit, make the field again if it is gone (with
    /// --create), report every 5 minutes and when a node goes or returns, and exit with 0 when stopped
    #[arg(long)]
    pub(super) service: bool,

    /// Condition vectors first: NaN becomes 0, infinities become ±1, and numbers are clipped to -5 to 5
    #[arg(long)]
    pub(super) guardian: bool,

    #[command(flatten)]
    pub(super) source: SourceArgs,

    #[command(flatten)]
    pub(super) nodes: Nodes,
}

/// Where the vectors come from: exactly one.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Source (one is needed)")]
pub(super) struct SourceArgs {
    #[command(flatten)]
    one: SourceChoice,

    /// With --csv: the columns to send, in this order; by default every column of numbers
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        conflicts_with_all = ["incident", "jsonl", "walk", "host"]
    )]
    columns: Vec<String>,

    /// With --walk: names the walk, the same every time
    #[arg(
        long,
        value_name = "NUMBER",
        conflicts_with_all = ["incident", "csv", "jsonl", "host"],
        default_value_t = 0
    )]
    seed: u64,

    /// With --walk: numbers a vector
    #[arg(
        long,
        value_name = "NUMBER",
        conflicts_with_all = ["incident", "csv", "jsonl", "host"],
        default_value_t = RandomWalk::WIDTH_DEFAULT,
        value_parser = parse_width
    )]
    width: usize,
}

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
struct SourceChoice {
    /// The vector of 16 numbers that was sent in the pod-drift incident, again and again
    #[arg(long)]
    incident: bool,

    /// The rows of a CSV file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Standard input: a line is a JSON array of numbers, or an object with one as its `x`
    #[arg(long)]
    jsonl: bool,

    /// A random walk
    #[arg(long)]
    walk: bool,

    /// 16 numbers about this machine, listed below
    #[arg(long)]
    host: bool,
}

fn parse_width(text: &str) -> Result<usize, String> {
    let max = psi_state::WIDTH_MAX;
    let width = text.parse().ok().filter(|width| (1..=max).contains(width));
    width.ok_or_else(|| format!("takes a whole number from 1 to {max}"))
}

fn parse_patience(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { parse_timeout(text).map_err(|why| format!("{why}; or 0")) }
}

impl Feed {
    /// The guardian of a field that is made.
    pub(super) fn guardian_mode(&self) -> GuardianMode {
        self.guardian_mode.map_or(GuardianMode::Unspecified, Into::into)
    }

    pub(super) fn rate(&self) -> Rate {
        self.every.map_or(self.rate, |every| Rate::PerSecond(1.0 / every.as_secs_f64()))
    }

    /// How long to wait for a node at the start; `None` for no limit.
    pub(super) fn start_patience(&self) -> Option<Duration> {
        if self.service { None } else { Some(self.patience) }
    }
}

impl SourceArgs {
    pub(super) fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        let one = &self.one;
        Ok(if let Some(path) = &one.csv {
            Box::new(CsvFile::open(path, Columns::named_or(&self.columns, Columns::Numeric))?)
        } else if one.jsonl {
            Box::new(JsonLines::stdin())
        } else if one.walk {
            Box::new(RandomWalk::new(self.seed, self.width))
        } else if one.host {
            Box::new(Host::new()?)
        } else {
            Box::new(Incident)
        })
    }

    /// How many vectors may be read before they are due: none of those that measure the moment.
    pub(super) fn ahead(&self) -> usize {
        if self.one.host { 0 } else { AHEAD }
    }
}
