//! What gates would have said about recorded steps.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::support::{FileCommand, Folder};

const REPLAY: FileCommand = FileCommand(&["rollout", "replay"]);
/// Twenty minutes at the default rate.
const ROWS: u64 = 20_000;
/// A percentage lasts five minutes.
const PLAN: [&str; 4] = ["--schedule", "10,50", "--window", "5m"];

/// How steps of the canary differ from those of the champion.
#[derive(Clone, Copy)]
struct Canary {
    errors: f64,
    price: f64,
}

const HEALTHY: Canary = Canary { errors: 0.05, price: 10.0 };

/// In [0, 1), the same each time.
fn uniform(row: u64, seed: u64) -> f64 {
    let mut mixed = (row * 16 + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    f64::from(u32::try_from(mixed >> 40).unwrap_or_default()) / f64::from(1_u32 << 24)
}

/// The steps, as objects: a quarter of them of `v2`.
fn steps(canary: Canary) -> impl Iterator<Item = Value> {
    (0..ROWS).map(move |row| {
        // The first is the champion's.
        let is_canary = row > 0 && uniform(row, 1) < 0.25;
        let Canary { errors, price } = if is_canary { canary } else { HEALTHY };
        json!({
            "version": if is_canary { "v2" } else { "v1" },
            "key": format!("user-{}", row * 7_919 % 4_000),
            "error": uniform(row, 2) < errors,
            "latency_ms": (30.0 + 20.0 * uniform(row, 3)).round(),
            "price": price + (10.0 * uniform(row, 4)).round(),
        })
    })
}

fn csv(steps: impl Iterator<Item = Value>) -> String {
    let row = |step: Value| {
        let [version, key] = ["version", "key"].map(|name| step[name].as_str().unwrap_or_default().to_owned());
        format!("{version},{key},{},{},{}\n", step["error"], step["latency_ms"], step["price"])
    };
    format!("version,key,error,latency_ms,price\n{}", steps.map(row).collect::<String>())
}

fn recorded(folder: &Folder, canary: Canary) -> Result<std::path::PathBuf> {
    folder.file("steps.csv", &csv(steps(canary)))
}

fn events(file: &Path, arguments: &[&str]) -> Result<Vec<Map<String, Value>>> {
    REPLAY.lines(file, &[&PLAN[..], arguments].concat())
}

fn names(events: &[Map<String, Value>]) -> Vec<&str> {
    events.iter().filter_map(|event| event["event"].as_str()).collect()
}

/// What a gate says in an event.
fn gate<'a>(event: &'a Map<String, Value>, name: &str) -> Result<&'a Value> {
    let gates = event["gates"].as_array().context("gates")?;
    gates.iter().find(|gate| gate["gate"] == name).with_context(|| format!("no gate {name}"))
}

fn text(file: &Path, arguments: &[&str]) -> Result<String> {
    let output = REPLAY.run(file, &[&PLAN[..], arguments].concat())?;
    anyhow::ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The words of a text, wherever its lines break.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn three_times_the_errors_are_rolled_back() -> Result<()> {
    let folder = Folder::new()?;
    let file = recorded(&folder, Canary { errors: 0.15, ..HEALTHY })?;
    let events = events(&file, &[])?;
    assert_eq!(names(&events), ["advance", "rollback"]);
    let (begin, end) = (&events[0], &events[1]);
    assert_eq!((&begin["row"], &begin["seconds"], &begin["gates"]), (&json!(0), &json!(0.0), &json!([])));
    assert_eq!((&end["percent"], &end["time"]), (&json!(10.0), &Value::Null));
    // Looks come once a minute, and know the rows before.
    let (row, seconds) = (end["row"].as_u64().context("a row")?, end["seconds"].as_f64().context("seconds")?);
    assert!(seconds % 60.0 == 0.0 && seconds <= 240.0, "{seconds}");
    assert_eq!(row as f64, seconds / 60.0 * 1_000.0 - 1.0);
    let errors = gate(end, "error_rate")?;
    assert_eq!((&errors["verdict"], &errors["hold"]), (&json!("FAIL"), &Value::Null));
    let compared = |name: &str| errors["comparison"][name].as_f64().context(name.to_owned());
    assert!(compared("canary")? - compared("tolerated_radius")? > compared("tolerated")?, "{errors}");
    assert_ne!(gate(end, "latency")?["verdict"], "FAIL");

    let text = text(&file, &[])?;
    for wanted in [
        &format!("replayed {} steps", row + 1) as &str,
        "v1 answers, v2 is to take over",
        &format!("row {row}, "),
        "ROLLED_BACK: error_rate FAIL: error rate of the canary",
        "gate says",
        "version steps errors mean ms",
    ] {
        assert!(words(&text).contains(wanted), "`{wanted}` is not in:\n{text}");
    }
    assert!(text.lines().skip(1).all(|line| line.chars().count() <= 80), "{text}");
    Ok(())
}

#[test]
fn a_healthy_version_is_promoted_percentage_by_percentage() -> Result<()> {
    let folder = Folder::new()?;
    let file = recorded(&folder, HEALTHY)?;
    let events = events(&file, &[])?;
    assert_eq!(names(&events), ["advance", "advance", "promote"]);
    let percents: Vec<_> = events.iter().map(|event| event["percent"].as_f64()).collect();
    assert_eq!(percents, [Some(10.0), Some(50.0), Some(50.0)]);
    assert!(events[1]["seconds"].as_f64() >= Some(300.0), "a whole window");
    for event in &events[1..] {
        for name in ["error_rate", "latency"] {
            assert_eq!(gate(event, name)?["verdict"], "PASS", "{event:?}");
        }
    }
    let text = text(&file, &[])?;
    assert!(words(&text).contains("PROMOTED: error_rate PASS, latency PASS"), "{text}");
    // Each percentage is judged by its own steps.
    let row = events[1]["row"].as_u64().context("a row")?;
    let replayed = events[2]["row"].as_u64().context("a row")? + 1;
    let counted = |version: &str| -> Option<u64> {
        text.lines().rfind(|line| line.starts_with(version))?.split_whitespace().nth(1)?.parse().ok()
    };
    assert_eq!(counted("v1").zip(counted("v2")).map(|(v1, v2)| v1 + v2), Some(replayed - row - 1), "{text}");
    // Which version is which may be said.
    let reverse = self::text(&file, &["--champion", "v2"])?;
    assert!(words(&reverse).contains("v2 answers, v1 is to take over"), "{reverse}");
    Ok(())
}

#[test]
fn a_metric_that_moved_is_rolled_back() -> Result<()> {
    let folder = Folder::new()?;
    let file = recorded(&folder, Canary { price: 12.0, ..HEALTHY })?;
    let events = events(&file, &["--metric", "column:price=1"])?;
    let end = events.last().context("an end")?;
    assert_eq!((&end["event"], &gate(end, "column:price")?["verdict"]), (&json!("rollback"), &json!("FAIL")));
    assert!(end["reason"].as_str().context("a reason")?.starts_with("column:price FAIL: mean column:price"));
    // It may rise where the margin is for a fall.
    let events = self::events(&file, &["--metric", "column:price=-1"])?;
    assert_eq!(events.last().context("an end")?["event"], "promote");
    Ok(())
}

#[test]
fn json_lines_say_the_same_as_csv() -> Result<()> {
    let folder = Folder::new()?;
    let canary = Canary { errors: 0.15, ..HEALTHY };
    let lines: String = steps(canary).map(|step| format!("{step}\n")).collect();
    let jsonl = folder.file("steps.jsonl", &lines)?;
    let csv = recorded(&folder, canary)?;
    assert_eq!(events(&jsonl, &["--metric", "column:price=1"])?, events(&csv, &["--metric", "column:price=1"])?);
    Ok(())
}

/// Nobody sends anything at night, and nodes look all the same.
#[test]
fn looks_go_on_where_no_step_comes() -> Result<()> {
    let folder = Folder::new()?;
    let timed = |(row, mut step): (u64, Value)| {
        let night = if row < 4_000 { 0 } else { 36_000_000 };
        step["time"] = json!(1_796_072_078_000 + row * 60 + night);
        format!("{step}\n")
    };
    let lines: String = (0..).zip(steps(HEALTHY)).map(timed).collect();
    let events = events(&folder.file("night.jsonl", &lines)?, &["--error-rate", "0"])?;
    // Five minutes after the first row, and not when the next one comes.
    assert_eq!((&events[1]["event"], &events[1]["seconds"]), (&json!("advance"), &json!(300.0)));
    assert_eq!((&events[1]["row"], &events[1]["time"]), (&json!(3_999), &json!("2026-11-30T20:59:38.000Z")));
    // The next window is over in the morning, and a minute of steps is enough.
    let last = events.last().context("an end")?;
    assert_eq!((&last["event"], &last["seconds"]), (&json!("promote"), &json!(36_300.0)));
    Ok(())
}

#[test]
fn what_has_not_ended_says_what_it_holds_for() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("short.csv", &csv(steps(HEALTHY).take(150)))?;
    let events = events(&file, &[])?;
    assert_eq!(names(&events), ["advance", "hold"]);
    assert_eq!((&events[1]["hold"], &events[1]["row"]), (&json!("INSUFFICIENT_DATA"), &json!(149)));
    assert!(words(&text(&file, &[])?).contains("HOLD, INSUFFICIENT_DATA: "));
    // Without keys, and without what gates compare that are turned off.
    let bare: String = (0..200).map(|row| format!("v{},{}\n", row % 2 + 1, row % 5)).collect();
    let bare = folder.file("bare.csv", &format!("version,density\n{bare}"))?;
    let gates = ["--error-rate", "0", "--latency", "0", "--metric", "density=1", "--minimum-predictions", "100"];
    let events = self::events(&bare, &gates)?;
    let compared = &gate(events.last().context("an end")?, "density")?["comparison"];
    assert_eq!(compared["canary"], json!(2.0));
    Ok(())
}

#[test]
fn a_picture_is_drawn_and_overwrites_nothing() -> Result<()> {
    let folder = Folder::new()?;
    let (file, picture) = (recorded(&folder, HEALTHY)?, folder.path("gates.png"));
    let path = picture.to_str().context("a path")?;
    let drawn = REPLAY.run(&file, &[&PLAN[..], &["--metric", "column:price=-1", "--png", path]].concat())?;
    let said = String::from_utf8(drawn.stderr)?;
    assert!(drawn.status.success() && said.contains("drew 3 gates into "), "{said}");
    assert!(fs::read(&picture)?.starts_with(b"\x89PNG"));
    REPLAY.check_refused(&file, &["--png", path], &["gates.png exists already", "--force"])?;
    REPLAY.check_refused(&file, &["--png", "steps.csv"], &["a picture is a PNG"])?;
    assert!(REPLAY.run(&file, &["--png", path, "--force"])?.status.success());
    // Of a file that gates say nothing about.
    let short = folder.file("short.csv", &csv(steps(HEALTHY).take(20)))?;
    assert!(REPLAY.run(&short, &["--png", path, "--force"])?.status.success());
    Ok(())
}

#[test]
fn what_is_wrong_is_refused_by_name() -> Result<()> {
    let folder = Folder::new()?;
    let head = "version,key,error,latency_ms,time\n";
    for (name, rows, arguments, wanted) in [
        (
            "third.csv",
            "v1,a,0,1,1\nv2,a,0,1,2\nv3,a,0,1,3\n",
            &[][..],
            &["row 2 (line 4)", "column `version`: `v3`"][..],
        ),
        ("third.csv", "", &["--champion", "v9"], &["`v2`", "a third version beside v9 and v1"]),
        ("one.csv", "v1,a,0,1,1\nv1,a,0,1,2\n", &[], &["2 rows of ", "have version v1 alone"]),
        ("one.csv", "", &["--champion", "v1", "--canary", "v1"], &["are both v1"]),
        ("name.csv", "v1,a,0,1,1\nv/2,a,0,1,2\n", &[], &["row 1 (line 3)", "version `v/2` holds a `/`"]),
        ("error.csv", "v1,a,0,1,1\nv2,a,maybe,1,2\n", &[], &["column `error`: `maybe`", "0, 1, true or false"]),
        ("gap.csv", "v1,a,0,1,1\nv2,a,,1,2\n", &[], &["row 1", "column `error`: ``; it is no boolean"]),
        ("slow.csv", "v1,a,0,1,1\nv2,a,0,soon,2\n", &[], &["column `latency_ms`: `soon`; it is no number"]),
        ("hour.csv", "v1,a,0,1,1\nv2,a,0,4e6,2\n", &[], &["latency_ms 4000000 is out of range"]),
        ("back.csv", "v1,a,0,1,5\nv2,a,0,1,4\n", &[], &["row 1", "column `time`: `4`", "sort the rows by time"]),
        ("date.csv", "v1,a,0,1,5\nv2,a,0,1,noon\n", &[], &["`noon`; it is no time; write seconds"]),
        ("back.csv", "", &["--rate", "60"], &["--rate is for files without a column `time`"]),
        ("back.csv", "", &["--drift-severity", "0.5"], &["--drift-severity 0.5", "psi-field replay --drift"]),
        (
            "back.csv",
            "",
            &["--metric", "column:price=1"],
            &["no column `price`: name another one with --metric; it has: version, key"],
        ),
        ("back.csv", "", &["--window", "1ms"], &["evaluationWindow is 1 ms"]),
        ("back.csv", "", &["--rate", "0"], &["a number of rows a minute above 0"]),
        ("long.csv", "v1,a,0,1\n", &[], &["line 2 has 4 cells, those before it 5"]),
        ("none.csv", "", &[], &["has no row of data"]),
        ("none.dat", "", &[], &["add --format csv or jsonl"]),
    ] {
        let path = folder.path(name);
        if !path.exists() {
            folder.file(name, &format!("{head}{rows}"))?;
        }
        REPLAY.check_refused(&path, arguments, wanted)?;
    }
    for (name, text, wanted) in [
        ("arms.csv", "key\n1\n", &["no column `version`: it says which version answered a step; it has: key"][..]),
        (
            "errors.csv",
            "version,latency_ms\nv1,1\nv2,1\n",
            &["no column `error`", "turn its gate off with --error-rate 0"],
        ),
        ("latency.csv", "version,error\nv1,1\nv2,1\n", &["no column `latency_ms`", "off with --latency 0"]),
        ("twice.csv", "version,error,error\nv1,1,1\nv2,1,1\n", &["several columns `error`"]),
        ("list.jsonl", "[1]\n", &["line 1 of ", "an array where an object should be"]),
        ("deep.jsonl", "{\"version\":[1]}\n", &["row 0 (line 1), column `version`: `[1]`; write text or a number"]),
    ] {
        REPLAY.check_refused(&folder.file(name, text)?, &[], wanted)?;
    }
    REPLAY.check_refused(&folder.path("missing.csv"), &[], &["can't open ", "missing.csv"])?;
    Ok(())
}
