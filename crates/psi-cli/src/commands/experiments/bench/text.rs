//! A report as people read it: one table, and notes.

use psi_bench::{Answer, Report, Row, Spread};

use crate::output::{self, numbers, pluralize};

/// The report in text: what was measured and on what, the table, the notes.
pub(super) fn text(report: &Report) -> String {
    let head = format!(
        "psi-field {} (commit {}), started {}, {:.0} s\n{}\n{} of {} s",
        report.build.version,
        report.build.commit,
        report.started,
        report.duration_s,
        report.machine.text(),
        pluralize(report.settings.plan.rounds.into(), "round"),
        report.settings.plan.time.as_secs_f64(),
    );
    let header =
        ["group", "row", "nodes", "callers", "median", "unit", "spread", "p50", "p99", "ratio", "of", "target", "met"];
    let table = output::table(header, &[2, 3, 4, 6, 7, 8, 9], report.rows.iter().flat_map(lines).collect());
    let failures = report.rows.iter().filter_map(|row| {
        let Row { group, label, failure, .. } = row;
        Some(format!("{group}, {}: {}", label.name, failure.as_ref()?))
    });
    let notes: Vec<String> = report.notes.iter().cloned().chain(failures).map(|note| format!("- {note}")).collect();
    format!("{head}\n\n{table}\n\n{}", notes.join("\n"))
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

/// Empty for a single round.
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
