//! What a replay with `--drift` tells.

use anyhow::{Context, Result};
use serde_json::json;

use crate::support::{Folder, check_refused, replay, steps};

const ROWS: u32 = 5_000;
const CHANGE: u32 = 3_000;

/// Three columns that are the same each time, and without any wander: the second goes with the first.
fn machine(change: impl Fn(u32, [f64; 3]) -> [f64; 3]) -> String {
    let noise = |seed: u32, row: u32| {
        let uniform = |n: u32| {
            let mixed = (row * 16 + n + seed * 7_919).wrapping_mul(0x9E37_79B1);
            f64::from((mixed ^ (mixed >> 15)).wrapping_mul(0x85EB_CA77) >> 8) / f64::from(1_u32 << 24)
        };
        (0..12).map(uniform).sum::<f64>() - 6.0
    };
    let rows = (0..ROWS).map(|row| {
        let [a, b, c] = [1, 2, 3].map(|seed| noise(seed, row));
        let [a, b, c] = change(row, [79.3 + 0.2 * a, 1.5 + 0.08 * a + 0.06 * b, 12.0 + 0.5 * c]);
        format!("{a:.4},{b:.4},{c:.4}\n")
    });
    format!("temperature,pressure,flow\n{}", rows.collect::<String>())
}

#[test]
fn what_changed_is_told_with_its_row_and_its_columns() -> Result<()> {
    let folder = Folder::new()?;
    let quiet = folder.file("quiet.csv", &machine(|_, row| row))?;
    assert_eq!(steps(&quiet, &["--drift"])?, [], "nothing has changed");
    let warmer = machine(|row, [t, p, f]| match row {
        2_500 => [t, p, 40.0],
        CHANGE.. => [t + 0.2, p, f],
        _ => [t, p, f],
    });
    let file = folder.file("warmer.csv", &warmer)?;
    let alarms = steps(&file, &["--drift", "--baseline-rows", "1500"])?;
    let names: Vec<_> = alarms.iter().map(|alarm| (&alarm["kind"], &alarm["columns"][0])).collect();
    assert_eq!(names, [(&json!("unusual"), &json!("flow")), (&json!("drift"), &json!("temperature"))]);
    assert_eq!(alarms[0]["row"], 2_500);
    let row = alarms[1]["row"].as_u64().context("a row")?;
    assert!((u64::from(CHANGE)..u64::from(CHANGE) + 200).contains(&row), "{row}");
    let severity = alarms[1]["severity"].as_f64().context("a severity")?;
    assert!((0.5..=1.0).contains(&severity), "{severity}");

    let text = String::from_utf8(replay(&file, &["--drift", "--baseline-rows", "1500"])?.stdout)?;
    for wanted in ["5000 steps", "the first 1500 are the baseline", "2 alarms", "2500  unusual", "temperature", "█"] {
        assert!(text.contains(wanted), "`{wanted}` is not in:\n{text}");
    }
    assert!(text.lines().skip(1).all(|line| line.chars().count() <= 80), "{text}");
    Ok(())
}

/// A column has a scale of its own: one with huge numbers hides nothing in others.
#[test]
fn a_fill_value_in_one_column_hides_no_other() -> Result<()> {
    let folder = Folder::new()?;
    let filled = machine(|row, [t, p, f]| match row {
        100 => [t, p, 9.97e36],
        CHANGE.. => [t + 0.2, p, f],
        _ => [t, p, f],
    });
    let alarms = steps(&folder.file("filled.csv", &filled)?, &["--drift"])?;
    assert!(alarms.iter().any(|alarm| alarm["columns"][0] == "temperature"), "{alarms:?}");
    Ok(())
}

#[test]
fn a_relation_that_is_lost_is_told_though_no_column_moved() -> Result<()> {
    let folder = Folder::new()?;
    // Each pressure is that of another row.
    let all = machine(|_, row| row);
    let pressure = |row: u32| all.lines().nth(row as usize + 1).and_then(|line| line.split(',').nth(1)?.parse().ok());
    let pressures: Vec<f64> = (0..ROWS).map(|row| pressure(row).context("a pressure")).collect::<Result<_>>()?;
    let lost = machine(|row, [t, p, f]| [t, if row < CHANGE { p } else { pressures[row as usize - 2_900] }, f]);
    let alarms = steps(&folder.file("lost.csv", &lost)?, &["--drift"])?;
    let alarm = alarms.first().context("an alarm")?;
    assert_eq!((&alarm["kind"], &alarm["together"]), (&json!("drift"), &json!(true)));
    assert_eq!(alarm["columns"], json!(["temperature", "pressure"]));
    assert!(alarm["row"].as_u64().context("a row")? >= u64::from(CHANGE), "{alarm:?}");
    Ok(())
}

#[test]
fn without_a_baseline_nothing_is_told() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("short.csv", &"1,2\n".repeat(150))?;
    for (arguments, wanted) in [
        (&["--drift"][..], &["has 150 rows, fewer than the baseline of 2000", "--baseline-rows"][..]),
        (&["--drift", "--baseline-rows", "99"], &["--baseline-rows 99: at least 100 rows"]),
        (&["--drift", "--engine", "core"], &["cannot be used with"]),
        (&["--baseline-rows", "120", "--engine", "core"], &["--baseline-rows is for a replay with --drift"]),
    ] {
        check_refused(&file, arguments, wanted)?;
    }
    assert_eq!(steps(&file, &["--drift", "--baseline-rows", "100"])?, [], "what never varies is as usual");
    // A picture of nothing but a baseline, and cells that hold no number.
    let nothing = folder.file("nothing.csv", &["1,2\n3,4\n".repeat(50), "nan,2\n".to_owned()].concat())?;
    let picture = folder.path("nothing.png");
    let picture = picture.to_str().context("a path")?;
    let drawn = replay(&nothing, &["--drift", "--baseline-rows", "100", "--png", picture])?;
    let text = String::from_utf8(drawn.stdout)?;
    assert!(drawn.status.success() && text.contains("no alarms\n1 cell held no number"), "{text}");
    Ok(())
}
