//! A report as people read it: a table of figures and one of answers for each group, and notes.

use psi_bench::{Answer, Report, Row, Spread};

use crate::output::{Cell, Tone, numbers, pluralize, table};

/// The report in text: what was measured and on what, the tables, the notes.
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
    let mut groups: Vec<(&str, Vec<&Row>)> = Vec::new();
    for row in &report.rows {
        match groups.last_mut() {
            Some((group, rows)) if *group == row.group => rows.push(row),
            _ => groups.push((row.group, vec![row])),
        }
    }
    let tables =
        groups.iter().map(|(group, rows)| format!("{group}\n\n{}", group_table(rows))).collect::<Vec<_>>().join("\n\n");
    let failures = report.rows.iter().filter_map(|row| {
        let Row { group, label, failure, .. } = row;
        Some(format!("{group}, {}: {}", label.name, failure.as_ref()?))
    });
    let notes: Vec<String> = report.notes.iter().cloned().chain(failures).map(|note| format!("- {note}")).collect();
    format!("{head}\n\n{tables}\n\n{}", notes.join("\n"))
}

/// The rows of a group: what was measured, and below or beside it the answers.
fn group_table(rows: &[&Row]) -> String {
    let figures = table(["row", "nodes", "callers", "median", "unit", "spread", "p50", "p99"], &[1, 2, 3, 5, 6, 7], {
        rows.iter().map(|row| figure_cells(row)).collect()
    });
    let answers: Vec<[Cell; 5]> = rows.iter().flat_map(|row| answer_lines(row)).collect();
    if answers.is_empty() {
        return figures;
    }
    let answers = table(["row", "ratio", "of", "target", "met"], &[1], answers);
    format!("{figures}\n\n{answers}")
}

fn figure_cells(row: &Row) -> [String; 8] {
    let count = |count: Option<u32>| count.map_or_else(String::new, |count| count.to_string());
    let us = |spread: Option<Spread>| spread.map_or_else(String::new, |spread| microseconds(spread.median));
    let median = row.figure.map_or_else(|| "not measured".to_owned(), |figure| numbers::short(figure.median));
    [
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

/// A line for each answer, the first with the row's name and size.
fn answer_lines(row: &Row) -> Vec<[Cell; 5]> {
    let sizes = [(row.label.nodes, "node"), (row.label.callers, "caller")];
    let sizes = sizes.into_iter().filter_map(|(count, what)| Some(pluralize(count?.into(), what)));
    let name = std::iter::once(row.label.name.clone()).chain(sizes).collect::<Vec<_>>().join(", ");
    let names = std::iter::once(name).chain(std::iter::repeat(String::new()));
    row.answers.iter().zip(names).map(|(answer, name)| answer_cells(name, answer)).collect()
}

fn answer_cells(name: String, answer: &Answer) -> [Cell; 5] {
    let value = answer.value.map_or_else(|| "-".to_owned(), ratio);
    let met = match answer.met {
        Some(true) => Cell::toned("yes", Tone::Good),
        Some(false) => Cell::toned("NO", Tone::Bad),
        None => Cell::default(),
    };
    let target = answer.target.map_or_else(String::new, |target| target.to_string());
    [name.into(), value.into(), answer.what.clone().into(), target.into(), met]
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
