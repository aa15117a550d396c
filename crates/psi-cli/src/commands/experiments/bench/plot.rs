//! `psi-field bench plot`: pictures of a run that was saved.

mod axis;
mod chart;
mod run;

use std::{fs, path::PathBuf};

use clap::Args;
use serde::Serialize;

use crate::output::{Failure, Output};
use chart::{Chart, Line, Panel};
use run::{Row, Run};

const AFTER_HELP: &str = "\
Examples:
  psi-field bench --save run.json
  psi-field bench plot run.json pictures

Draws what the run measured: calls.png, throughput of gRPC against callers; http.png, throughput of HTTP against callers; \
capacity.png, CPU of a step and memory of a node against fields held and against origins known. Points are medians over the \
rounds, bars reach from the least to the greatest.

Exit codes: 0 drawn; 1 the run has nothing of what is drawn, or a picture could not be written; 2 wrong arguments, or a \
picture exists.";

/// Draw what a run measured, as PNGs
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Plot {
    /// What `psi-field bench --save` wrote
    #[arg(value_name = "RUN.json")]
    run: PathBuf,

    /// Where to put the pictures; created if missing
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,

    /// Overwrite pictures that exist
    #[arg(long)]
    force: bool,
}

/// What was drawn.
#[derive(Serialize)]
struct PictureList {
    pictures: Vec<PathBuf>,
}

impl Plot {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let run = Run::read(&self.run)?;
        let charts = charts(&run);
        if charts.is_empty() {
            let shown = self.run.display();
            return Err(Failure::failed(format!("{shown} has nothing of groups calls, http and capacity to draw")));
        }
        let directory = self.directory.display();
        fs::create_dir_all(&self.directory)
            .map_err(|error| Failure::usage(format!("can't make the directory {directory}: {error}")))?;
        let mut drawn = PictureList { pictures: Vec::new() };
        for chart in charts {
            let path = self.directory.join(chart.file);
            chart.write(&path, self.force)?;
            drawn.pictures.push(path);
        }
        let paths = |drawn: &PictureList| {
            let paths: Vec<String> = drawn.pictures.iter().map(|path| path.display().to_string()).collect();
            paths.join("\n")
        };
        output.print(&drawn, paths)
    }
}

/// Those of which the run has something.
fn charts(run: &Run) -> Vec<Chart> {
    let subtitle = run.origin();
    let chart = |file, title: &str, panels: Vec<Panel>| {
        let panels: Vec<Panel> = panels.into_iter().filter(|panel| !panel.lines.is_empty()).collect();
        let (title, subtitle) = (title.to_owned(), subtitle.clone());
        (!panels.is_empty()).then_some(Chart { file, title, subtitle, panels })
    };
    let charts = [
        chart("calls.png", "gRPC: throughput by callers", by_callers(run, "calls", "calls or steps a second")),
        chart("http.png", "HTTP: throughput by callers", by_callers(run, "http", "requests a second")),
        chart("capacity.png", "A node by what it holds", capacity(run)),
    ];
    charts.into_iter().flatten().collect()
}

/// A panel for each size of cluster, a line for each name.
fn by_callers(run: &Run, group: &str, y: &'static str) -> Vec<Panel> {
    let panel = |nodes: u32, caption: &str| {
        let rows = run.rows.iter().filter(|row| row.group == group && row.nodes.is_none_or(|of| of == nodes));
        let lines = lines(rows, |row| row.callers);
        // What runs without nodes stands beside those that do.
        let has_own = run.rows.iter().any(|row| row.group == group && row.nodes == Some(nodes));
        let lines = if has_own { lines } else { Vec::new() };
        Panel { caption: caption.to_owned(), x: "callers at once", y, log_y: true, lines }
    };
    vec![panel(1, "one node"), panel(3, "three nodes, callers at the first")]
}

fn capacity(run: &Run) -> Vec<Panel> {
    let panel = |caption: &str, unit: &str, x: &'static str, y: &'static str, held: fn(&Row) -> Option<u32>| {
        let rows = run.rows.iter().filter(|row| row.group == "capacity" && row.unit == unit);
        let lines = merged(lines(rows, held));
        Panel { caption: caption.to_owned(), x, y, log_y: false, lines }
    };
    let (fields, origins) = ("fields held, with ten steps each", "origins known, with ten steps each in one field");
    let (step, seldom, memory) = ("µs CPU/step", "µs CPU/seldom step", "MiB");
    vec![
        panel("a step in a batch, by fields", step, fields, "CPU of a step, microseconds", |row| row.fields),
        panel("a step in a batch, by origins", step, origins, "CPU of a step, microseconds", |row| row.origins),
        panel(
            "a step that comes alone, by fields",
            seldom,
            fields,
            "CPU of a step and its flush, microseconds",
            |row| row.fields,
        ),
        panel(
            "a step that comes alone, by origins",
            seldom,
            origins,
            "CPU of a step and its flush, microseconds",
            |row| row.origins,
        ),
        panel("memory, by fields", memory, fields, "resident, MiB", |row| row.fields),
        panel("memory, by origins", memory, origins, "resident, MiB", |row| row.origins),
    ]
}

/// Rows of one name are one line, in the order in which names come.
fn lines<'a>(rows: impl Iterator<Item = &'a Row>, x: impl Fn(&Row) -> Option<u32>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in rows {
        let Some((x, figure)) = x(row).zip(row.figure) else { continue };
        let point = (f64::from(x), figure);
        match lines.iter_mut().find(|line| line.name == row.name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line { name: row.name.clone(), points: vec![point] }),
        }
    }
    for line in &mut lines {
        line.points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    }
    lines
}

/// As one line, where what is held is part of the name.
fn merged(lines: Vec<Line>) -> Vec<Line> {
    let mut points: Vec<_> = lines.into_iter().flat_map(|line| line.points).collect();
    points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    if points.is_empty() { Vec::new() } else { vec![Line { name: String::new(), points }] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::canvas::looks;

    /// A run as `--save` writes it, as far as it is drawn.
    fn run() -> Run {
        let row = |group: &str, name: &str, nodes: u32, callers: u32| {
            format!(
                r#"{{"group":"{group}","name":"{name}","nodes":{nodes},"callers":{callers},"unit":"steps/s",
                "figure":{{"median":{callers}e3,"least":900,"greatest":80000}}}}"#
            )
        };
        let held = |name: &str, unit: &str, key: &str, count: u32| {
            format!(
                r#"{{"group":"capacity","name":"{name}, {count}","nodes":1,"callers":null,"{key}":{count},"unit":"{unit}",
                "figure":{{"median":{count},"least":{count},"greatest":{count}}}}}"#
            )
        };
        let lost = r#"{"group":"calls","name":"lost","nodes":1,"callers":1,"unit":"steps/s","figure":null}"#.to_owned();
        let rows = [
            row("calls", "step", 3, 8),
            row("calls", "step", 1, 64),
            row("calls", "ping", 1, 1),
            row("calls", "step", 1, 1),
            lost,
            held("memory", "MiB", "fields", 100),
            held("memory", "MiB", "fields", 1),
        ];
        let json = format!(
            r#"{{"version":"1","commit":"c","started":"now","machine":{{"cpu":null,"cores":2}},"rows":[{}]}}"#,
            rows.join(",")
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn lines_are_rows_of_one_name_and_cluster_by_what_they_vary() {
        let charts = charts(&run());
        let points = |chart: usize, panel: usize, line: usize| -> (String, Vec<f64>) {
            let line = &charts[chart].panels[panel].lines[line];
            (line.name.clone(), line.points.iter().map(|(x, _)| *x).collect())
        };
        assert_eq!(charts.iter().map(|chart| chart.file).collect::<Vec<_>>(), ["calls.png", "capacity.png"]);
        assert_eq!(points(0, 0, 0), ("step".to_owned(), vec![1.0, 64.0]));
        assert_eq!(points(0, 0, 1), ("ping".to_owned(), vec![1.0]));
        assert_eq!(points(0, 1, 0), ("step".to_owned(), vec![8.0]));
        assert_eq!(points(1, 0, 0), (String::new(), vec![1.0, 100.0]));
        assert_eq!(charts[1].panels.len(), 1);
    }

    #[test]
    fn the_font_has_every_letter_that_is_written() {
        // All panels, whatever a run has.
        let run = run();
        let panels = [by_callers(&run, "calls", "a second"), capacity(&run)].into_iter().flatten().collect();
        let all = Chart { file: "", title: "gRPC HTTP".to_owned(), subtitle: run.origin(), panels };
        let words: String = all.words().concat();
        for letter in words.chars().filter(|letter| *letter != ' ') {
            assert_ne!(looks(letter), looks('\u{4e00}'), "{letter}");
            assert_ne!(looks(letter), looks(' '), "{letter}");
        }
    }

    #[test]
    fn pictures_are_written_once_and_again_by_force() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("calls.png");
        let charts = charts(&run());
        charts[0].write(&path, false).unwrap();
        let first = fs::read(&path).unwrap();
        assert!(first.starts_with(b"\x89PNG"));
        assert!(charts[1].write(&path, false).is_err());
        assert_eq!(fs::read(&path).unwrap(), first);
        charts[1].write(&path, true).unwrap();
        assert_ne!(fs::read(&path).unwrap(), first);
    }
}
