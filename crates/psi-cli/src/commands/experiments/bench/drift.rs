//! `psi-field bench drift`: how many labelled changes are found, how late, and how many alarms are false.

mod bootstrap;
mod protocol;
mod sets;

use std::path::PathBuf;

use clap::Args;
use psi_stats::drift::{Alarm, Cause, MonitorError, MonitorPlan, Thresholds};
use serde::Serialize;

use crate::{
    commands::watcher::Watcher,
    output::{self, Failure, Output, numbers::short, pluralize, table},
};
use protocol::{Score, Stream, Tally};
use sets::Set;

const AFTER_HELP: &str = "\
Examples:
  psi-field bench drift streams  # a folder with labels.json and its CSV files
  psi-field bench drift streams --output json

labels.json has a member for each stream, named after its file without `.csv`; up to the first `/` it names the set:
  {\"pumps/one\": {\"train\": 2000, \"windows\": [[5000, 5999]]}}
`train` are the first rows, in which nothing is alarmed; `windows` are the first and last rows of what changed, from 0.

A window is found if an alarm lies in it; the delay is from its first row to that alarm. An alarm begins with a row \
that shows something after 50 rows that don't. Rows are quiet after the training, outside of windows and the 60 rows \
after each.

Of each stream that has at least two columns and 3,000 rows of training, sets are made besides. They are 9,000 of its \
training rows, drawn one by one (`independent`) or in blocks of 60 (`blocks`), of which 3,000 are training. From row \
6,000 one column moves by half a deviation, is spread by half as much again, or moves by a deviation over 1,000 rows. Or \
each column is drawn by itself, so that none goes with another any more. There are 8 streams of each, and 8 without a \
change.

All streams have the thresholds of `psi-field replay --drift`, and their training as the baseline. What is drawn has a \
seed, so that a second run prints the same.";

/// Measure how well drift is found in streams with labels
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Drift {
    /// Folder with `labels.json` and the streams that it names
    folder: PathBuf,
}

/// Whether an alarm is looked at.
type Kind = fn(&Alarm) -> bool;

/// What is looked at of a stream's alarms.
const KINDS: [(&str, Kind); 3] = [
    ("drift", |alarm| matches!(alarm.cause, Cause::Drift(_))),
    ("unusual", |alarm| matches!(alarm.cause, Cause::Unusual { .. })),
    ("both", |_| true),
];

/// A line of the table.
#[derive(Debug, Serialize)]
struct Row {
    set: String,
    streams: usize,
    alarms: &'static str,
    #[serde(flatten)]
    score: Score,
}

impl Drift {
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        let mut rows = Vec::new();
        for set in sets::read(&self.folder)? {
            output::note(format_args!("{}: {}", set.name, pluralize(set.streams.len() as u64, "stream")));
            let made = bootstrap::of(&set);
            for set in [set].iter().chain(&made) {
                rows.extend(measure(set)?);
            }
        }
        output.print(&rows, |rows| text(rows))
    }
}

/// The rows of one set.
fn measure(set: &Set) -> Result<Vec<Row>, Failure> {
    let mut tallies = KINDS.map(|_| Tally::default());
    for stream in &set.streams {
        let alarms = alarms(stream).map_err(|error| Failure::usage(format!("{}: {error}", stream.name)))?;
        for (tally, (_, is_kind)) in tallies.iter_mut().zip(KINDS) {
            let mut rows: Vec<usize> = alarms.iter().filter(|alarm| is_kind(alarm)).map(|alarm| alarm.row).collect();
            rows.dedup();
            tally.add(stream, &rows);
        }
    }
    let (name, streams) = (&set.name, set.streams.len());
    let rows = tallies.into_iter().zip(KINDS).map(|(tally, (alarms, _))| Row {
        set: name.clone(),
        streams,
        alarms,
        score: tally.score(),
    });
    Ok(rows.collect())
}

fn alarms(stream: &Stream) -> Result<Vec<Alarm>, MonitorError> {
    let plan = MonitorPlan { baseline_rows: stream.train, thresholds: Thresholds::default() };
    let mut watcher = Watcher::new(plan);
    let mut alarms = Vec::new();
    for row in &stream.rows {
        alarms.extend(watcher.take(row.clone())?.into_iter().flat_map(|look| look.alarms));
    }
    Ok(alarms)
}

fn text(rows: &[Row]) -> String {
    let cells = rows.iter().map(|Row { set, streams, alarms, score }| {
        let Score { found, windows, median_delay, false_alarms, quiet_rows: _, per_10_000 } = score;
        [
            set.clone(),
            streams.to_string(),
            (*alarms).to_owned(),
            format!("{found}/{windows}"),
            median_delay.map_or_else(|| "-".to_owned(), |delay| delay.to_string()),
            false_alarms.to_string(),
            short((per_10_000 * 10.0).round() / 10.0),
        ]
    });
    table(["set", "streams", "alarms", "found", "delay", "false", "per 10,000"], &[1, 3, 4, 5, 6], cells.collect())
}
