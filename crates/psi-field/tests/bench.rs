//! `psi-field bench` as programs see it. What it measures is the machine's; these tests check only that it does, and what it prints.

use std::{collections::BTreeSet, fs, io::Read, process::Stdio};

use anyhow::{Context, Result, ensure};
use psi_tests::{eventually, service};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_psi-field");

/// The report of a quick run, whose every row must have been measured.
fn bench(arguments: &[&str]) -> Result<Value> {
    let output = service::command(PROGRAM, &["bench", "--quick", "--output", "json"]).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", output.status);
    ensure!(said.is_empty(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&report["complete"], &report["settings"]["rounds"]), (&true.into(), &1.into()));
    for row in rows(&report)? {
        let greatest = row["figure"]["greatest"].as_f64();
        // Nothing need be said on an idle link in so short a time.
        let may_be_none = row["unit"] == "bytes/s";
        assert!(greatest.is_some_and(|greatest| greatest > 0.0 || may_be_none), "{row}");
        assert_eq!(row["failure"], Value::Null, "{row}");
    }
    Ok(report)
}

fn rows(report: &Value) -> Result<&Vec<Value>> {
    report["rows"].as_array().context("rows")
}

/// Which row it is.
#[derive(Debug, PartialEq)]
struct Label {
    group: String,
    name: String,
    nodes: Option<u64>,
    callers: Option<u64>,
}

fn labels(report: &Value) -> Result<Vec<Label>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let label = |row: &Value| Label {
        group: text(&row["group"]),
        name: text(&row["name"]),
        nodes: row["nodes"].as_u64(),
        callers: row["callers"].as_u64(),
    };
    Ok(rows(report)?.iter().map(label).collect())
}

/// What is asked of a row, all with a number and an answer where there is a target.
fn answers(row: &Value) -> Result<Vec<&str>> {
    let answer = |answer: &Value| {
        assert!(answer["value"]["median"].as_f64().is_some_and(|ratio| ratio > 0.0), "{row}");
        assert_eq!(answer["target"].is_null(), answer["met"].as_bool().is_none(), "{row}");
    };
    let answers = row["answers"].as_array().context("answers")?;
    answers.iter().for_each(answer);
    Ok(answers.iter().filter_map(|answer| answer["what"].as_str()).collect())
}

/// What every row of calls answers.
const CPU: &str = "µs of the node's CPU";

#[test]
fn calls_are_measured_in_every_way_and_shown_with_their_ratios() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("bench.json");
    fs::write(&file, "what was there before, and longer than nothing")?;
    let report = bench(&["calls", "--save", file.to_str().context("a path")?])?;
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(&file)?)?, report);
    for key in ["version", "commit", "started"] {
        assert!(report[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    assert!(report["machine"]["cores"].as_u64().is_some_and(|cores| cores > 0));
    let labels = labels(&report)?;
    let names: BTreeSet<&str> = labels.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(names.len(), 6, "{names:?}");
    for nodes in [1, 3] {
        for callers in [1, 8, 64] {
            for name in &names {
                let (group, name) = ("calls".to_owned(), (*name).to_owned());
                let want = Label { group, name, nodes: Some(nodes), callers: Some(callers) };
                assert_eq!(labels.iter().filter(|label| **label == want).count(), 1, "{want:?}");
            }
        }
    }
    for row in rows(&report)? {
        let want: &[&str] = match row["name"].as_str().unwrap_or_default() {
            "step (unary)" => &[
                "throughput over ping",
                "throughput over the large ping",
                "p99 over ping",
                "node's CPU over ping",
                "node's CPU over the large ping",
                CPU,
            ],
            "stream, 64 unanswered" | "batch of 64" => &["steps/s over unary", CPU],
            _ => &[CPU],
        };
        assert_eq!(answers(row)?, want, "{row}");
        assert!(row["p50_us"]["median"].as_f64() <= row["p99_us"]["median"].as_f64(), "{row}");
    }
    let pictures = directory.path().join("pictures");
    let mut plot = service::command(PROGRAM, &["bench", "plot"]);
    ensure!(plot.arg(&file).arg(&pictures).status()?.success());
    let drawn: Vec<_> = fs::read_dir(&pictures)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    assert_eq!(drawn, ["calls.png"]);
    assert!(fs::read(pictures.join("calls.png"))?.starts_with(b"\x89PNG"));
    Ok(())
}

#[test]
fn steps_are_followed_to_other_nodes_and_counted_on_the_wire() -> Result<()> {
    let report = bench(&["propagation", "bytes"])?;
    let labels = labels(&report)?;
    let nodes: Vec<Option<u64>> = labels.iter().map(|label| label.nodes).collect();
    assert_eq!(nodes, [3, 3, 9, 9, 2, 2, 2, 2].map(Some));
    for row in rows(&report)? {
        let want: &[&str] = match row["unit"].as_str().unwrap_or_default() {
            "ms (p99)" => &["p99, ms"],
            "bytes/step" => &["bytes a step", "steps/s taken"],
            _ => &[],
        };
        assert_eq!(answers(row)?, want, "{row}");
        // No answer comes sooner than a call takes.
        assert!(row["p50_us"].is_null() || row["p50_us"]["least"].as_f64() > Some(20.0), "{row}");
    }
    Ok(())
}

#[test]
fn http_engines_and_moments_are_measured_in_the_order_of_the_list() -> Result<()> {
    let report = bench(&["moments", "engines", "http", "engines"])?;
    let labels = labels(&report)?;
    let mut groups: Vec<&str> = labels.iter().map(|label| label.group.as_str()).collect();
    let count = |group: &str| groups.iter().filter(|one| **one == group).count();
    assert_eq!((count("http"), count("engines"), count("moments")), (12, 7, 4));
    groups.dedup();
    assert_eq!(groups, ["http", "engines", "moments"]);
    for row in rows(&report)? {
        let name = row["name"].as_str().unwrap_or_default();
        let has_answer = name == "POST /step" || name.ends_with("in a replica") || name.starts_with("exact");
        assert_eq!(answers(row)?.len(), usize::from(has_answer), "{row}");
    }
    Ok(())
}

/// The processes that one has started, by its number.
#[cfg(target_os = "linux")]
fn children(parent: u32) -> Result<BTreeSet<u32>> {
    let mut children = BTreeSet::new();
    for entry in fs::read_dir("/proc")? {
        let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if stat(id).is_some_and(|(_, of)| of == parent) {
            children.insert(id);
        }
    }
    Ok(children)
}

/// A process's state and its parent; none once it is gone.
#[cfg(target_os = "linux")]
fn stat(id: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nodes_end_with_a_bench_that_is_stopped() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let earlier = directory.path().join("earlier.json");
    fs::write(&earlier, "an earlier run")?;
    let save = earlier.to_str().context("a path")?;
    let mut command = service::command(PROGRAM, &["bench", "calls", "--output", "json", "--save", save]);
    let mut bench = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let nodes = std::sync::Mutex::new(BTreeSet::new());
    eventually("a node and a cluster of three run", async || {
        let running = children(bench.id())?;
        let all = running.len() == 4;
        *nodes.lock().unwrap() = running;
        Ok(all)
    })
    .await?;
    rustix::process::kill_process(rustix::process::Pid::from_child(&bench), rustix::process::Signal::INT)?;
    let status = bench.wait()?;
    let (mut output, mut said) = (String::new(), String::new());
    bench.stdout.take().context("stdout")?.read_to_string(&mut output)?;
    bench.stderr.take().context("stderr")?.read_to_string(&mut said)?;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("stopped before the first group was through"), "{said}");
    assert_eq!(fs::read_to_string(&earlier)?, "an earlier run");
    let report: Value = serde_json::from_str(&output)?;
    assert_eq!((&report["complete"], rows(&report)?.len()), (&false.into(), 0));
    let nodes = nodes.into_inner()?;
    eventually("all nodes are gone", async || {
        Ok(nodes.iter().all(|id| stat(*id).is_none_or(|(state, _)| state == 'Z')))
    })
    .await
}

#[test]
fn a_report_that_could_not_be_kept_is_refused_before_anything_is_measured() -> Result<()> {
    let output = service::command(PROGRAM, &["bench", "--save", "/nowhere/at/all.json"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("/nowhere/at/all.json"), "{said}");
    Ok(())
}
