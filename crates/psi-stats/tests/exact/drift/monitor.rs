//! A stream that is watched row by row: what it comes to, and what is told of it.

use psi_stats::FixedPoint;
use psi_stats::drift::{
    ANCHOR_INPUTS, Alarm, Anchor, BASELINE_ROWS_MIN, Baseline, Cause, Column, Comparison, Histogram, LOOK_ROWS, Look,
    Monitor, MonitorError, MonitorPlan, Thresholds,
};

use super::shifts::{COLUMNS, Change, Kind, REPLACED, Stream, input};

const BASELINE: usize = 2_880;
const CHANGE: usize = 6_000;
const ROWS: usize = 9_000;

fn monitor(width: usize, baseline_rows: usize) -> Monitor {
    Monitor::new(width, MonitorPlan { baseline_rows, thresholds: Thresholds::default() }).expect("a long baseline")
}

fn looks(rows: &[Vec<FixedPoint>]) -> Vec<Look> {
    let mut monitor = monitor(rows[0].len(), BASELINE);
    rows.iter().map(|row| monitor.take(row).expect("the width is right")).collect()
}

fn changed(seed: u64, kept: f64, change: Change) -> Vec<Vec<FixedPoint>> {
    let rows = Stream::new(seed, kept).rows(ROWS);
    let changed = rows.into_iter().enumerate().map(|(at, row)| match at.checked_sub(CHANGE) {
        Some(since) => change(since, row),
        None => row,
    });
    changed.map(|row| input(&row)).collect()
}

fn drift(looks: &[Look]) -> Vec<&Alarm> {
    looks.iter().flat_map(|look| &look.alarms).filter(|alarm| matches!(alarm.cause, Cause::Drift(_))).collect()
}

/// Windows that slide come to what windows that are counted from nothing come to.
#[test]
fn a_look_is_that_of_the_latest_rows_against_the_first() {
    let rows = changed(3, 0.5, |_, [a, b, c, d]| [a, b + 0.8, c, d]);
    let looks = looks(&rows);
    let anchor = Anchor::of(&rows[..ANCHOR_INPUTS]).unwrap();
    let columns = COLUMNS + anchor.pairs().len();
    let counted = |rows: &[Vec<FixedPoint>]| {
        let mut histogram = Histogram::new(&anchor);
        rows.iter().for_each(|row| histogram.add(&anchor, row).unwrap());
        histogram
    };
    let judged: Vec<usize> = (0..ROWS).filter(|row| looks[*row].verdict.is_some()).collect();
    let want: Vec<usize> = (BASELINE + LOOK_ROWS - 1..ROWS).step_by(LOOK_ROWS).collect();
    assert_eq!(judged, want);
    for row in judged.into_iter().step_by(37) {
        let mut worst = vec![0.0_f64; columns];
        for parts in [8, 24, 72] {
            let length = BASELINE / parts;
            let parts: Vec<Histogram> = rows[..BASELINE].chunks(length).map(counted).collect();
            let baseline = Baseline::new(&parts).unwrap();
            let compared = |row: usize| baseline.compare(&counted(&rows[row + 1 - length..=row])).unwrap();
            let times = 3 * u32::try_from(columns).unwrap();
            // The looks of the last quarter of a window and the one before.
            let spanned = (length / (4 * LOOK_ROWS) + 1).max(2);
            let latest: Vec<_> = (0..spanned).map_while(|back| row.checked_sub(back * LOOK_ROWS)).collect();
            let latest: Vec<_> = latest.into_iter().filter(|row| *row >= BASELINE).map(compared).collect();
            for (column, worst) in worst.iter_mut().enumerate() {
                let improbable = |look: &Vec<Comparison>| Thresholds::default().is_improbable(&look[column], times);
                let has_lasted = latest.len() == spanned && latest.iter().all(improbable);
                *worst = worst.max(Thresholds::default().severity(&latest[0][column], times, has_lasted));
            }
        }
        let verdict = looks[row].verdict.as_ref().unwrap();
        let got: Vec<f64> = verdict.columns().iter().map(|column| column.severity).collect();
        assert_eq!(got, worst, "row {row}");
        assert_eq!(verdict.severity().to_bits(), worst.into_iter().fold(0.0, f64::max).to_bits());
    }
}

#[test]
fn each_kind_of_change_is_told_with_its_columns_and_hardly_anything_before() {
    let changes: [Kind; 5] = [
        ("a doubled variance", |_, [a, b, c, d]| [a, b, c, 2.0_f64.sqrt() * d], &[3]),
        ("a shift by half a deviation", |_, [a, b, c, d]| [a, b, c + 0.5, d], &[2]),
        ("a slow ramp", |n, [a, b, c, d]| [a, b, c, d + n as f64 / 1_440.0], &[3]),
        ("3 % of another machine", |n, [a, b, c, d]| if n % 33 == 0 { [a, b, c - 8.0, d] } else { [a, b, c, d] }, &[2]),
        ("a lost correlation", |_, [a, b, c, d]| [a, d, c, b], &[]),
    ];
    for (what, change, columns) in REPLACED.into_iter().chain(changes) {
        let (mut found, mut early) = (0, 0);
        for seed in 0..8 {
            let looks = looks(&changed(seed, 0.3, change));
            let all = drift(&looks);
            let alarms: Vec<&Alarm> = all.iter().copied().filter(|alarm| alarm.row >= CHANGE).collect();
            early += all.len() - alarms.len();
            let is_named = |alarm: &&&Alarm| columns.iter().any(|column| alarm.columns.contains(column));
            let is_joint = |alarm: &&&Alarm| matches!(alarm.cause, Cause::Drift(it) if it.column == Column::Pair(0, 1));
            let told =
                alarms.first().filter(|alarm| if columns.is_empty() { is_joint(alarm) } else { is_named(alarm) });
            found += usize::from(told.is_some());
        }
        // So few rows are hardly more than chance beside a baseline of this length.
        let least = if what == "3 % of another machine" { 6 } else { 8 };
        assert!(found >= least, "{what} is told in {found} of 8");
        // Of 25,000 quiet rows.
        assert!(early <= 1, "before {what}: {early}");
    }
}

#[test]
fn a_spike_is_unusual_and_told_once() {
    let mut rows = changed(5, 0.3, |_, row| row);
    let spike = |rows: &mut Vec<Vec<FixedPoint>>, at: usize| rows[at] = input(&[0.0, 0.0, -14.0, 0.0]);
    [100, 4_000, 4_020, 4_100].into_iter().for_each(|at| spike(&mut rows, at));
    let looks = looks(&rows);
    let alarms: Vec<&Alarm> = looks.iter().flat_map(|look| &look.alarms).collect();
    let told: Vec<(usize, &[usize])> = alarms.iter().map(|alarm| (alarm.row, alarm.columns.as_slice())).collect();
    assert_eq!(told, [(4_000, &[2][..]), (4_100, &[2][..])], "the baseline is not judged, and 4,020 is of 4,000");
    assert!(alarms.iter().all(|alarm| matches!(alarm.cause, Cause::Unusual { z, .. } if z > 10.0)), "{alarms:?}");
    assert!(looks[4_000].unusual >= 0.5 && looks[4_001].unusual < 0.5);
}

#[test]
fn a_flag_that_goes_up_is_unusual() {
    let mut rows = changed(5, 0.3, |_, [a, b, c, _]| [a, b, c, 0.0]);
    let flag = |row: &mut Vec<FixedPoint>, up: f64| row[3] = input(&[0.0, 0.0, 0.0, up])[3];
    rows.iter_mut().for_each(|row| flag(row, 0.0));
    flag(&mut rows[4_000], 1.0);
    let looks = looks(&rows);
    let told: Vec<(usize, &[usize])> =
        looks.iter().flat_map(|look| &look.alarms).map(|alarm| (alarm.row, alarm.columns.as_slice())).collect();
    assert_eq!(told, [(4_000, &[3][..])], "a column that never varied did");
    let most = looks.iter().map(|look| look.novelty).fold(0.0, f64::max);
    assert_eq!((most, looks[4_000].novelty), (4_000_f64.sqrt(), 4_000_f64.sqrt()));
}

#[test]
fn what_does_not_fit_is_refused() {
    let plan = |baseline_rows| MonitorPlan { baseline_rows, thresholds: Thresholds::default() };
    let short = Monitor::new(2, plan(BASELINE_ROWS_MIN - 1)).err();
    assert_eq!(short, Some(MonitorError::Rows { got: BASELINE_ROWS_MIN - 1 }));
    assert!(monitor(3, BASELINE).take(&input(&[0.0; 4])).is_err(), "another width");
    // A short baseline has fewer windows, and constant columns none that vary.
    let mut constant = monitor(COLUMNS, BASELINE_ROWS_MIN);
    for row in 0..BASELINE_ROWS_MIN + 500 {
        let look = constant.take(&input(&[1.0; 4])).expect("the width is right");
        assert!(look.alarms.is_empty() && look.novelty == 0.0, "row {row}: {look:?}");
    }
}
