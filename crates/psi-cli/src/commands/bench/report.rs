//! What was measured: one table for people, one JSON document for programs.

use std::{io::Write, path::Path, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    machine::Machine,
    plan::Plan,
    row::{Answer, Row, Spread},
};
use crate::{failure::Failure, numbers, output};

/// The first note of a build that nobody should measure.
const UNOPTIMIZED: &str =
    "this program was built without optimization: figures and ratios mean nothing; build with --release";

/// What a group found.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) rows: Vec<Row>,
    /// What must be known to read the rows.
    pub(super) notes: Vec<String>,
}

/// A run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) version: &'static str,
    pub(super) commit: &'static str,
    pub(super) machine: Machine,
    /// RFC 3339.
    pub(super) started: String,
    pub(super) duration_s: f64,
    pub(super) settings: Settings,
    /// Whether all groups that were asked for are here.
    pub(super) complete: bool,
    pub(super) rows: Vec<Row>,
    pub(super) notes: Vec<String>,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    pub(super) groups: Vec<&'static str>,
    #[serde(flatten)]
    pub(super) plan: Plan,
}

impl Report {
    /// With nothing in it yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: env!("BUILT_FROM_COMMIT"),
            machine: Machine::this(),
            started: format!("{:.3}", Timestamp::now()),
            duration_s: 0.0,
            settings,
            complete: false,
            rows: Vec::new(),
            notes: if cfg!(debug_assertions) { vec![UNOPTIMIZED.to_owned()] } else { Vec::new() },
        }
    }

    pub(super) fn add(&mut self, measured: Measured) {
        self.rows.extend(measured.rows);
        self.notes.extend(measured.notes);
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let head = format!(
            "psi-field {} (commit {}), started {}, {:.0} s\n{}\n{} of {} s",
            self.version,
            self.commit,
            self.started,
            self.duration_s,
            self.machine.text(),
            output::counted(self.settings.plan.rounds.into(), "round"),
            self.settings.plan.time.as_secs_f64(),
        );
        let header = [
            "group", "row", "nodes", "callers", "median", "unit", "spread", "p50", "p99", "ratio", "of", "target",
            "met",
        ];
        let table = output::table(header, &[2, 3, 4, 6, 7, 8, 9], self.rows.iter().flat_map(lines).collect());
        let failures = self.rows.iter().filter_map(|row| {
            let Row { group, label, failure, .. } = row;
            Some(format!("{group}, {}: {}", label.name, failure.as_ref()?))
        });
        let notes: Vec<String> = self.notes.iter().cloned().chain(failures).map(|note| format!("- {note}")).collect();
        format!("{head}\n\n{table}\n\n{}", notes.join("\n"))
    }

    /// Whether no group is through.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows that were not measured, or not in every round.
    pub(super) fn failures(&self) -> usize {
        self.rows.iter().filter(|row| row.failure.is_some()).count()
    }
}

/// A line for the row, its first answer beside it, and one for each further answer.
fn lines(row: &Row) -> Vec<[String; 13]> {
    let own = own_cells(row);
    let mut lines: Vec<[String; 13]> = row.answers.iter().map(|answer| line(Default::default(), answer)).collect();
    if lines.is_empty() {
        lines.push(Default::default());
    }
    for (cell, own) in lines[0].iter_mut().zip(own) {
        *cell = own;
    }
    lines
}

fn own_cells(row: &Row) -> [String; 9] {
    let count = |count: Option<u32>| count.map_or_else(String::new, |count| count.to_string());
    let us = |spread: Option<Spread>| spread.map_or_else(String::new, |spread| microseconds(spread.median));
    let median = row.figure.map_or_else(|| "not measured".to_owned(), |figure| numbers::short(figure.median));
    [
        row.group.to_owned(),
        row.label.name.clone(),
        count(row.label.nodes),
        count(row.label.callers),
        median,
        row.unit.to_owned(),
        row.figure.map_or_else(String::new, spread),
        us(row.p50_us),
        us(row.p99_us),
    ]
}

fn line(mut cells: [String; 13], answer: &Answer) -> [String; 13] {
    let value = answer.value.map_or_else(|| "-".to_owned(), ratio);
    let met = match answer.met {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    let target = answer.target.map_or_else(String::new, |target| target.to_string());
    for (cell, text) in cells[9..].iter_mut().zip([value, answer.what.clone(), target, met.to_owned()]) {
        *cell = text;
    }
    cells
}

/// Nothing to tell of a single round.
fn spread(spread: Spread) -> String {
    if spread.least == spread.greatest {
        return String::new();
    }
    format!("{} – {}", numbers::short(spread.least), numbers::short(spread.greatest))
}

/// With the spread, by which one sees whether a target was met by chance.
fn ratio(value: Spread) -> String {
    let short = |ratio: f64| if ratio < 10.0 { format!("{ratio:.3}") } else { format!("{ratio:.1}") };
    let Spread { median, least, greatest } = value;
    if least == greatest {
        return short(median);
    }
    format!("{} ({} – {})", short(median), short(least), short(greatest))
}

fn microseconds(us: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time that somebody waited for")]
    let whole = |us: f64| us.round() as u64;
    if us < 100.0 { format!("{us:.1} µs") } else { numbers::duration(whole(us)) }
}

/// Where the report is kept.
pub(super) struct Kept {
    file: std::fs::File,
    /// Whether it holds something from before.
    is_taken: bool,
}

impl Kept {
    /// Opens the file now, so that nothing is measured in vain; what it holds stays until [`Self::write`].
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = std::fs::File::options().create(true).write(true).truncate(false).open(path);
        let kept = file.and_then(|file| Ok(Self { is_taken: file.metadata()?.len() > 0, file }));
        kept.map_err(|error| Failure::usage(format!("can't write {} (--save): {error}", path.display())))
    }

    /// What was stopped before its end does not take the place of an earlier run.
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn write(mut self, report: &Report) -> Result<(), Failure> {
        if self.is_taken && !report.complete {
            return Ok(());
        }
        let unwritten = |error: &dyn std::fmt::Display| Failure::failed(format!("can't write the report: {error}"));
        let mut json = serde_json::to_vec(report).map_err(|error| unwritten(&error))?;
        json.push(b'\n');
        self.file.set_len(0).and_then(|()| self.file.write_all(&json)).map_err(|error| unwritten(&error))
    }
}

/// Seconds to the millisecond.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}
