//! A stream that is watched row by row, where rows alone say what is long ago: a file, not a clock.
//!
//! The first rows are the baseline. After it, every tenth row, the latest rows are compared with it: an eighth, a 24th and
//! a 72nd of its length, as long as that is five rows, so that a small change is found in time and a great one at once.

pub(super) mod alarm;

use std::collections::VecDeque;

use self::alarm::{Alarm, AlarmGate, Cause};
use super::anchor::{ANCHOR_INPUTS, Anchor};
use super::baseline::{Baseline, BaselineError};
use super::comparison::Thresholds;
use super::histogram::{Histogram, HistogramError, same_columns};
use super::verdict::{Verdict, WindowLook};
use crate::fixed::FixedPoint;
use crate::moments::totals::Totals;
use crate::moments::{Moments, MomentsError};
use crate::z_scores::ZScores;

/// Rows from one look to the next.
pub const LOOK_ROWS: usize = 10;

/// A baseline of fewer rows tells nothing.
pub const BASELINE_ROWS_MIN: usize = 100;

/// What part of the baseline's length each window has. Each divides the last one, which the baseline is cut by.
const WINDOW_PARTS: [usize; 3] = [8, 24, FINEST];
const FINEST: usize = 72;
/// Windows of fewer rows say nothing.
const WINDOW_ROWS_MIN: usize = 5;

/// Where a step becomes unusual.
const NOVELTY: f64 = 6.0;
/// Where it does by one column alone.
const COLUMN_Z: f64 = 10.0;

/// How a stream is watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MonitorPlan {
    /// The first rows, which are the baseline; at least [`BASELINE_ROWS_MIN`].
    pub baseline_rows: usize,
    /// From when on something is taken for drift.
    pub thresholds: Thresholds,
}

/// Why a row was not taken, or there is no monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// Too few rows are to be the baseline.
    #[error("a baseline of {got} rows; at least {BASELINE_ROWS_MIN} are needed")]
    Rows {
        /// Rows that were asked for.
        got: usize,
    },
    /// The row has another width than those before it.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
    /// Likewise, or there are too many rows.
    #[error(transparent)]
    Moments(#[from] MomentsError),
    /// There is no baseline.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
}

/// What a row came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// The root mean square z-score of the row among all before it; at most the root of their number.
    pub novelty: f64,
    /// How unusual the row is, from 0 to 1: unusual from 0.5 on.
    pub unusual: f64,
    /// What the latest windows came to, at every tenth row after the baseline.
    pub verdict: Option<Verdict>,
    /// What begins with this row.
    pub alarms: Vec<Alarm>,
}

/// The state of a stream that is watched.
#[derive(Clone, Debug)]
pub struct Monitor {
    plan: MonitorPlan,
    all: Moments,
    /// What others have to add to them, for z-scores: nothing.
    none: Totals,
    /// The latest rows: all until there is an anchor, then as many as the longest window.
    rows: VecDeque<Vec<FixedPoint>>,
    taken: usize,
    anchor: Option<Anchor>,
    phase: Phase,
    drift: AlarmGate,
    unusual: AlarmGate,
}

#[derive(Clone, Debug)]
enum Phase {
    /// The rows so far, cut as finely as the shortest window asks for.
    Baseline(Vec<Histogram>),
    Watching(Vec<Window>),
}

/// The latest rows, as many as each part of the baseline has.
#[derive(Clone, Debug)]
struct Window {
    rows: usize,
    counts: Histogram,
    baseline: Baseline,
    /// By column, looks in a row at which it was improbable.
    improbable: Vec<usize>,
}

impl Monitor {
    /// A monitor of rows of `width` numbers that has seen none.
    ///
    /// # Errors
    /// [`MonitorError::Rows`].
    pub fn new(width: usize, plan: MonitorPlan) -> Result<Self, MonitorError> {
        if plan.baseline_rows < BASELINE_ROWS_MIN {
            return Err(MonitorError::Rows { got: plan.baseline_rows });
        }
        Ok(Self {
            plan,
            all: Moments::new(width),
            none: Totals::new(width),
            rows: VecDeque::new(),
            taken: 0,
            anchor: None,
            phase: Phase::Baseline(Vec::new()),
            drift: AlarmGate::default(),
            unusual: AlarmGate::default(),
        })
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// If it has another width, or its like is not counted any more.
    pub fn take(&mut self, row: &[FixedPoint]) -> Result<Look, MonitorError> {
        same_columns(row.len(), self.all.width())?;
        let scores = ZScores::default().with(row, &self.none, Some((&self.all, 0))).unwrap_or_default();
        self.all.add(row)?;
        self.taken += 1;
        let mut look = look_at(scores);
        self.rows.push_back(row.to_vec());
        if matches!(self.phase, Phase::Baseline(_)) {
            self.learn()?;
            return Ok(look);
        }
        self.slide()?;
        let at = self.taken - 1;
        if self.unusual.record(at, look.unusual >= 0.5) {
            let cause = Cause::Unusual { novelty: look.novelty, z: greatest(scores) };
            look.alarms.push(Alarm { row: at, cause, severity: look.unusual, columns: most_unusual(scores) });
        }
        if (self.taken - self.plan.baseline_rows).is_multiple_of(LOOK_ROWS) {
            let verdict = self.judge()?;
            let is_new = self.drift.record(at, verdict.is_drift());
            if let Some(worst) = verdict.worst().filter(|_| is_new) {
                let (cause, columns) = (Cause::Drift(*worst), verdict.named());
                look.alarms.push(Alarm { row: at, cause, severity: worst.severity, columns });
            }
            look.verdict = Some(verdict);
        }
        Ok(look)
    }

    /// Counts what is not counted yet into the baseline, once it is known where buckets lie.
    fn learn(&mut self) -> Result<(), MonitorError> {
        if self.anchor.is_none() && (self.taken >= ANCHOR_INPUTS || self.taken == self.plan.baseline_rows) {
            self.anchor = Anchor::of(self.rows.make_contiguous());
        }
        let Some(anchor) = &self.anchor else { return Ok(()) };
        let Phase::Baseline(parts) = &mut self.phase else { return Ok(()) };
        // The first time, all that the anchor was made of.
        let uncounted = if parts.is_empty() { self.taken } else { 1 };
        if parts.is_empty() {
            parts.resize_with(FINEST, || Histogram::new(anchor));
        }
        for (row, at) in self.rows.iter().rev().zip((0..self.taken).rev()).take(uncounted) {
            parts[at * FINEST / self.plan.baseline_rows].add(anchor, row)?;
        }
        if self.taken == self.plan.baseline_rows {
            let parts = std::mem::take(parts);
            self.phase = Phase::Watching(self.windows(anchor, &parts)?);
        }
        self.rows.drain(..self.rows.len().saturating_sub(self.longest()));
        Ok(())
    }

    fn longest(&self) -> usize {
        self.plan.baseline_rows / WINDOW_PARTS[0]
    }

    fn windows(&self, anchor: &Anchor, parts: &[Histogram]) -> Result<Vec<Window>, MonitorError> {
        let mut windows = Vec::new();
        for count in WINDOW_PARTS {
            let rows = self.plan.baseline_rows / count;
            if rows < WINDOW_ROWS_MIN {
                continue;
            }
            let mut joined = Vec::new();
            for parts in parts.chunks(FINEST / count) {
                let mut part = parts[0].clone();
                for other in &parts[1..] {
                    part.merge(other)?;
                }
                joined.push(part);
            }
            let mut counts = Histogram::new(anchor);
            for row in self.rows.iter().rev().take(rows) {
                counts.add(anchor, row)?;
            }
            let improbable = vec![0; counts.columns().len()];
            windows.push(Window { rows, counts, baseline: Baseline::new(&joined)?, improbable });
        }
        Ok(windows)
    }

    /// Moves each window on by the latest row.
    fn slide(&mut self) -> Result<(), MonitorError> {
        let (Some(anchor), Phase::Watching(windows), Some(latest)) = (&self.anchor, &mut self.phase, self.rows.back())
        else {
            return Ok(());
        };
        for window in windows {
            window.counts.add(anchor, latest)?;
            if let Some(oldest) = self.rows.iter().rev().nth(window.rows) {
                window.counts.remove(anchor, oldest)?;
            }
        }
        self.rows.drain(..self.rows.len().saturating_sub(self.longest()));
        Ok(())
    }

    /// What each column's windows come to.
    fn judge(&mut self) -> Result<Verdict, MonitorError> {
        let (Some(anchor), Phase::Watching(windows)) = (&self.anchor, &mut self.phase) else {
            return Ok(Verdict::default());
        };
        let (thresholds, lengths) = (&self.plan.thresholds, windows.len());
        let mut looks = Vec::with_capacity(lengths);
        for window in windows {
            let compared = window.baseline.compare(&window.counts)?;
            let comparisons = u32::try_from(compared.len() * lengths).unwrap_or(u32::MAX);
            for (improbable, comparison) in window.improbable.iter_mut().zip(&compared) {
                *improbable = if thresholds.is_improbable(comparison, comparisons) { *improbable + 1 } else { 0 };
            }
            // It has for as long as a quarter of the window's rows, and one look is no time.
            let has_lasted = |looks: &usize| *looks > 1 && *looks * LOOK_ROWS * 4 > window.rows;
            let have_lasted = window.improbable.iter().map(has_lasted).collect();
            looks.push(WindowLook { rows: window.rows as u64, compared, have_lasted });
        }
        Ok(Verdict::of(anchor, &looks, thresholds))
    }
}

/// How unusual a row is by its z-scores.
fn look_at(scores: ZScores) -> Look {
    let novelty = scores.root_mean_square();
    let share = (novelty / NOVELTY).max(greatest(scores) / COLUMN_Z);
    let unusual = if share < 1.0 { 0.5 * share } else { 1.0 - 0.5 / share };
    Look { novelty, unusual, ..Look::default() }
}

/// The greatest z-score, without its sign.
fn greatest(scores: ZScores) -> f64 {
    scores.farthest()[0].map_or(0.0, |farthest| farthest.z.abs())
}

/// The columns that lie farthest off, at most three: none of less than half the greatest z-score.
fn most_unusual(scores: ZScores) -> Vec<usize> {
    let least = greatest(scores) / 2.0;
    let columns = scores.farthest().into_iter().flatten().take_while(|column| column.z.abs() >= least);
    columns.map(|column| column.column as usize).collect()
}
