//! `psi-field replay --drift`: what would have alarmed, when and why.

use std::iter::repeat_n;

use psi_engine::EngineKind;
use psi_stats::drift::{
    Alarm, BASELINE_ROWS_MIN, Cause, Column, ColumnVerdict, Comparison, LOOK_ROWS, Look, MonitorError, MonitorPlan,
    Thresholds,
};
use serde::Serialize;

use super::{
    Replay,
    comparison::{PLOT_COLUMNS, spark},
    picture::{Panel, Picture},
    recording::{File, Omissions, Recording},
};
use crate::{
    commands::{progress::Progress, watcher::Watcher},
    output::{self, Failure, Output, pluralize, table},
};

/// Rows of a baseline by default.
const BASELINE_ROWS: usize = 2_000;
/// Alarms that a table shows.
const SHOWN: usize = 20;
/// Columns that a picture shows.
const PANELS: usize = 7;

/// What a file came to.
#[derive(Debug, Default)]
struct Findings {
    /// Rows that it was compared with.
    baseline: usize,
    alarms: Vec<Alarm>,
    /// Row by row.
    novelty: Vec<f64>,
    /// The greatest of a column, row by row.
    severity: Vec<f64>,
    /// By column of the input, if that is to be drawn.
    severities: Vec<Vec<f64>>,
    /// Cells that held no number.
    missing_numbers: u64,
}

impl Findings {
    fn push(&mut self, look: Look) {
        // The baseline is judged by nothing.
        let is_baseline = self.novelty.len() < self.baseline;
        self.novelty.push(if is_baseline { 0.0 } else { look.novelty });
        self.alarms.extend(look.alarms);
        let Some(verdict) = look.verdict else { return };
        let rows = self.novelty.len();
        fill(&mut self.severity, verdict.severity(), rows);
        for column in verdict.columns() {
            if let Column::Single(place) = column.column
                && let Some(series) = self.severities.get_mut(place)
            {
                fill(series, column.severity, rows);
            }
        }
    }

    /// Gives each row its severities: those after the last look have what it said.
    fn complete(&mut self) {
        let rows = self.novelty.len();
        for series in self.severities.iter_mut().chain([&mut self.severity]) {
            let last = series.last().copied().unwrap_or_default();
            fill(series, last, rows);
        }
    }
}

/// What holds at a look holds from the look before; nothing holds before the first.
fn fill(series: &mut Vec<f64>, severity: f64, rows: usize) {
    if series.is_empty() {
        series.resize(rows.saturating_sub(LOOK_ROWS), 0.0);
    }
    series.extend(repeat_n(severity, rows.saturating_sub(series.len())));
}

impl Replay {
    /// Watches the file instead of running an engine.
    pub(super) fn watch(&self, output: Output) -> Result<(), Failure> {
        let file = File::new(self.file.clone(), self.format, self.csv.clone())?;
        let baseline = self.baseline_rows.unwrap_or(BASELINE_ROWS);
        if baseline < BASELINE_ROWS_MIN {
            let message = format!("--baseline-rows {baseline}: at least {BASELINE_ROWS_MIN} rows are needed");
            return Err(Failure::usage(message));
        }
        let width = file.header()?.and_then(|header| header.width);
        // It needs no more of a trace than its inputs.
        let recording = file.open(EngineKind::Synthetic)?;
        recording.check_width(width)?;
        let names = recording.column_names()?;
        let findings = self.findings(&recording, baseline)?;
        if let Some(path) = &self.png {
            self.drift_picture(&findings, &names).write(path, self.force)?;
            output::note(format_args!(
                "drew {} into {}",
                pluralize(findings.novelty.len() as u64, "step"),
                path.display()
            ));
        }
        match output {
            Output::Json => {
                let mut lines = findings.alarms.iter().map(|alarm| AlarmLine::new(alarm, &names));
                lines.try_for_each(|line| output.print(&line, |_| String::new()))
            }
            Output::Text => output::line(&self.drift_text(&findings, &names)),
        }
    }

    fn findings(&self, recording: &Recording, baseline: usize) -> Result<Findings, Failure> {
        let plan = MonitorPlan { baseline_rows: baseline, thresholds: Thresholds::default() };
        let mut watcher = Watcher::new(plan);
        let drawn = if self.png.is_some() { recording.width } else { 0 };
        let mut findings = Findings { baseline, severities: vec![Vec::new(); drawn], ..Findings::default() };
        let mut progress = Progress::new("watching", recording.steps(), false);
        let Omissions { missing, skipped } = recording.play(|row, _| {
            progress.step();
            for look in watcher.take(row)? {
                findings.push(look);
            }
            Ok(())
        })?;
        recording.note_skipped(skipped);
        if missing > 0 {
            let (file, steps) = (self.file.display(), pluralize(missing, "step"));
            output::note(format_args!(
                "warning: {steps} that its k skips are missing in {file}; rows are counted without them"
            ));
        }
        if watcher.is_watching() {
            findings.missing_numbers = watcher.missing();
            findings.complete();
            return Ok(findings);
        }
        let (file, rows) = (self.file.display(), pluralize(progress.steps(), "row"));
        let message = format!("{file} has {rows}, fewer than the baseline of {baseline}");
        Err(Failure::usage(message).with_hint("give fewer with --baseline-rows"))
    }

    fn drift_text(&self, findings: &Findings, names: &[String]) -> String {
        let steps = pluralize(findings.novelty.len() as u64, "step");
        let (file, baseline) = (self.file.display(), findings.baseline);
        let mut text = format!("watched {steps} of {file}; the first {baseline} are the baseline\n");
        text += &match findings.alarms.len() {
            0 => "no alarms".to_owned(),
            count => pluralize(count as u64, "alarm"),
        };
        if findings.missing_numbers > 0 {
            let cells = pluralize(findings.missing_numbers, "cell");
            text += &format!("\n{cells} held no number, and counted as the baseline's mean of the column");
        }
        if !findings.alarms.is_empty() {
            let rows = findings.alarms.iter().take(SHOWN).map(|alarm| {
                let (row, severity) = (alarm.row.to_string(), format!("{:.2}", alarm.severity));
                [row, kind(alarm).to_owned(), severity, columns(alarm, names), why(alarm)]
            });
            text += "\n\n";
            text += &table(["row", "kind", "severity", "columns", "why"], &[0, 2], rows.collect());
        }
        if let Some(more) = findings.alarms.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            text += &format!("\nand {more} more; --output json has them all");
        }
        let line = |label: &str, numbers: &[f64], high: f64| {
            [label.to_owned(), spark(&greatest(numbers), 0.0, high), format!("to {high}")]
        };
        let lines = vec![line("severity", &findings.severity, 1.0), line("novelty", &findings.novelty, 12.0)];
        let lines = table(["", "the greatest, over the rows", ""], &[], lines);
        format!(
            "{text}\n\n{lines}\n\nA severity of 0.5 is a warning, 0.8 critical. A novelty of 6 is unusual,\nand so are 10 deviations in one column."
        )
    }

    fn drift_picture<'a>(&self, findings: &'a Findings, names: &[String]) -> Picture<'a> {
        let panel = |label: &str, numbers: &'a [f64]| Panel { label: label.to_owned(), numbers, other: None };
        let mut worst: Vec<(f64, usize)> =
            findings.severities.iter().map(|series| series.iter().copied().fold(0.0, f64::max)).zip(0..).collect();
        worst.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut panels = vec![panel("severity", &findings.severity), panel("novelty", &findings.novelty)];
        panels.extend(
            worst
                .iter()
                .take(PANELS)
                .map(|(_, column)| panel(&format!("severity of {}", names[*column]), &findings.severities[*column])),
        );
        let steps = pluralize(findings.novelty.len() as u64, "step");
        Picture {
            title: format!("{}: drift over {steps}, baseline of {}", self.file.display(), findings.baseline),
            panels,
            against: None,
            events: findings.alarms.iter().map(|alarm| alarm.row as u64 + 1).collect(),
            event: "an alarm",
        }
    }
}

/// The greatest of each stretch that has one letter of a line.
fn greatest(numbers: &[f64]) -> Vec<f64> {
    let a_letter = numbers.len().div_ceil(PLOT_COLUMNS).max(1);
    numbers.chunks(a_letter).map(|chunk| chunk.iter().copied().fold(0.0, f64::max)).collect()
}

fn kind(alarm: &Alarm) -> &'static str {
    match alarm.cause {
        Cause::Drift(_) => "drift",
        Cause::Unusual { .. } => "unusual",
    }
}

fn named<'a>(alarm: &Alarm, names: &'a [String]) -> Vec<&'a str> {
    alarm.columns.iter().map(|column| names[*column].as_str()).collect()
}

/// The columns of an alarm, in the place that a table has for them.
fn columns(alarm: &Alarm, names: &[String]) -> String {
    const PLACE: usize = 22;
    let between = match alarm.cause {
        Cause::Drift(ColumnVerdict { column: Column::Pair(..), .. }) => " with ",
        _ => ", ",
    };
    let text = named(alarm, names).join(between);
    match text.char_indices().nth(PLACE) {
        Some(_) => text.chars().take(PLACE - 1).chain(['…']).collect(),
        None => text,
    }
}

/// Why, in a few words.
fn why(alarm: &Alarm) -> String {
    match alarm.cause {
        Cause::Drift(ColumnVerdict { rows, comparison, .. }) => {
            format!("PSI {:.2}, {rows} rows, P {:.0e}", comparison.psi, comparison.probability)
        }
        Cause::Unusual { novelty, z } => format!("novelty {novelty:.1}, z {z:.1}"),
    }
}

/// An alarm for programs.
#[derive(Debug, Serialize)]
struct AlarmLine<'a> {
    row: usize,
    kind: &'static str,
    severity: f64,
    columns: Vec<&'a str>,
    #[serde(flatten)]
    detail: AlarmDetail,
}

/// What was measured at that row.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum AlarmDetail {
    Drift { window_rows: u64, psi: f64, excess: f64, probability: f64, together: bool },
    Unusual { novelty: f64, z: f64 },
}

impl<'a> AlarmLine<'a> {
    fn new(alarm: &Alarm, names: &'a [String]) -> Self {
        let detail = match alarm.cause {
            Cause::Drift(ColumnVerdict { column, rows, comparison, severity: _ }) => {
                let Comparison { psi, excess, probability } = comparison;
                let together = matches!(column, Column::Pair(..));
                AlarmDetail::Drift { window_rows: rows, psi, excess, probability, together }
            }
            Cause::Unusual { novelty, z } => AlarmDetail::Unusual { novelty, z },
        };
        let (row, kind, severity) = (alarm.row, kind(alarm), alarm.severity);
        Self { row, kind, severity, columns: named(alarm, names), detail }
    }
}

impl From<MonitorError> for Failure {
    fn from(error: MonitorError) -> Self {
        Self::usage(error.to_string())
    }
}
