//! The arguments of `psi-field feed`.

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use clap::Args;
use psi_api::v1::GuardianMode;

use super::pace::Rate;
use crate::{
    client::{Nodes, parse_timeout},
    commands::arguments::{FieldArg, Mode, parse_limit},
    source::{CsvFile, CsvOptions, Host, Incident, JsonLines, RandomWalk, Source, SourceError},
};

/// Calls in progress that fit one connection of a node with default settings.
const IN_FLIGHT_MAX: u32 = 1000;

/// The options of CSV files, as clap names them.
const OF_CSV: &str = "CsvOptions";

/// Vectors read ahead from a source that does not mind.
const AHEAD: usize = 256;

const EXAMPLES: &str = "\
Examples:
  psi-field feed --incident  # the pod-drift incident, one a second
  psi-field feed --walk --rate 1000 --seconds 30
  # makes the field, as wide as the file
  psi-field feed --csv iris.csv --field iris --create
  psi-field feed --csv prices.csv --columns open,close --field prices \\
      --create --engine synthetic
  psi-field feed --csv export.csv --delimiter ';' --decimal , --field plant
  # paced by the column `when`
  psi-field feed --csv log.csv --time when --speed 60 --field plant
  psi-field feed --csv gaps.csv --missing skip-row --field plant
  tail -f vectors.jsonl | psi-field feed --jsonl
  # in turn; one that is down is left out
  psi-field feed --host --node node-1,node-2,node-3
  # in a container, until it is stopped
  psi-field feed --host --field host --create --every 30 --service

The vectors of --csv and --jsonl are scored in their order. Each step waits for the one before. All go to one node as \
long as it answers, and then to the next, with the session token of the step before. Of other sources, and with \
--in-flight above 1, several steps are in flight, each to the next node in turn, and no order is kept.

If a node is not available, the step is sent again to another, with back-off. So a step is counted at least once. A \
node that does not answer within a second is left out until it does. Ctrl-C ends with the summary. If no node accepts \
the access token, the feed stops at once; with --token-file it reads the file again first.

A CSV file is judged by its first 1,000 rows: what divides its columns, whether it has a header, which columns are \
numbers. What is not certain is refused, with the option that says it. Columns of words, and a time, are left out by \
name. Files that are compressed with gzip are unpacked.

Exit codes: 0 if every step was accepted; 1 if any was refused or could not be read, or if no node accepts the access \
token; 2 wrong arguments; 3 if no node accepted any. With --service also 0 if it was stopped.";

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

    /// With --create: what the guardian of the field that is made does about a threat [default: watch]
    #[arg(long, value_enum, value_name = "MODE", requires = "create", alias = "guardian-mode")]
    guardian: Option<Mode>,

    /// Steps a second, above 0 up to 1000000; or `max`, as fast as the nodes answer [default: max with --csv and
    /// --jsonl, else 1]
    #[arg(long, short, value_name = "RATE")]
    rate: Option<Rate>,

    /// Seconds from one step to the next, instead of --rate
    #[arg(long, value_name = "SECONDS", value_parser = parse_limit, conflicts_with = "rate")]
    every: Option<Duration>,

    /// With --time: how many times faster than the file says
    #[arg(long, value_name = "TIMES", value_parser = parse_speed, requires = "time", conflicts_with_all = ["rate", "every"])]
    speed: Option<f64>,

    /// Stop after this many steps
    #[arg(long, short = 'n', value_name = "STEPS")]
    pub(super) count: Option<u64>,

    /// Stop after this long
    #[arg(long, value_name = "SECONDS", value_parser = parse_limit)]
    pub(super) seconds: Option<Duration>,

    /// Most steps in flight. With 1 they are scored in order; more are faster, and cost the order [default: 1 with --csv
    /// and --jsonl, else 64]
    #[arg(
        long,
        value_name = "STEPS",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(IN_FLIGHT_MAX))
    )]
    in_flight: Option<u32>,

    /// How long to retry a step while no node is available, seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_patience)]
    pub(super) patience: Duration,

    /// Run unattended, as in a container. Wait for a node without limit, make the field again if it is gone (with
    /// --create), report every 5 minutes and when a node goes or returns, and exit with 0 when stopped
    #[arg(long)]
    pub(super) service: bool,

    /// Condition vectors first: NaN becomes 0, infinities become ±1, and numbers are clipped to -5 to 5
    #[arg(long)]
    pub(super) condition: bool,

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

    #[command(flatten)]
    csv: CsvOptions,
}

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
struct SourceChoice {
    /// The vector of 16 numbers that was sent in the pod-drift incident, again and again
    #[arg(long, conflicts_with = OF_CSV)]
    incident: bool,

    /// The rows of a CSV file, in order
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Standard input, in order: a line is a JSON array of numbers, or an object with one as its `x`
    #[arg(long, conflicts_with = OF_CSV)]
    jsonl: bool,

    /// A random walk
    #[arg(long, conflicts_with = OF_CSV)]
    walk: bool,

    /// 16 numbers about this machine, listed below
    #[arg(long, conflicts_with = OF_CSV)]
    host: bool,
}

fn parse_width(text: &str) -> Result<usize, String> {
    let max = psi_state::WIDTH_MAX;
    let width = text.parse().ok().filter(|width| (1..=max).contains(width));
    width.ok_or_else(|| format!("takes a whole number from 1 to {max}"))
}

fn parse_speed(text: &str) -> Result<f64, String> {
    const MAX: f64 = 1e9;
    let speed = text.parse().ok().filter(|speed| *speed > 0.0 && *speed <= MAX);
    speed.ok_or_else(|| format!("takes a number above 0, up to {MAX:e}"))
}

fn parse_patience(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { parse_timeout(text).map_err(|why| format!("{why}; or 0")) }
}

impl Feed {
    /// The guardian of a field that is made.
    pub(super) fn guardian_mode(&self) -> GuardianMode {
        self.guardian.unwrap_or(Mode::Watch).into()
    }

    pub(super) fn rate(&self) -> Rate {
        let by_default = if self.source.is_file() { Rate::Max } else { Rate::PerSecond(1.0) };
        let every = self.every.map(|every| Rate::PerSecond(1.0 / every.as_secs_f64()));
        let given = every.or(self.rate);
        let clock = self.source.csv.time.as_ref().map(|_| Rate::Clock { speed: self.speed.unwrap_or(1.0) });
        given.or(clock).unwrap_or(by_default)
    }

    /// Most steps in flight.
    pub(super) fn in_flight(&self) -> u32 {
        const IN_FLIGHT: u32 = 64;
        self.in_flight.unwrap_or(if self.source.is_file() { 1 } else { IN_FLIGHT })
    }

    /// Each step waits for the one before.
    pub(super) fn is_in_order(&self) -> bool {
        self.in_flight() == 1
    }

    /// How long to wait for a node at the start; `None` for no limit.
    pub(super) fn start_patience(&self) -> Option<Duration> {
        if self.service { None } else { Some(self.patience) }
    }
}

impl SourceArgs {
    /// Its order is of the vectors, and not of the moments at which they are read.
    fn is_file(&self) -> bool {
        self.one.csv.is_some() || self.one.jsonl
    }

    pub(super) fn open(&self) -> Result<Box<dyn Source>, SourceError> {
        let one = &self.one;
        Ok(if let Some(path) = &one.csv {
            Box::new(CsvFile::open(path, &self.csv)?)
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
