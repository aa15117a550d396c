//! Rows of numbers from a file, watched for drift.

use psi_stats::{
    FixedPoint, Scale,
    drift::{Look, Monitor, MonitorError, MonitorPlan},
};

/// A stream that is watched. Each column has the scale of its baseline, so rows wait until that is complete.
#[derive(Debug)]
pub(crate) struct Watcher {
    plan: MonitorPlan,
    waiting: Vec<Vec<f64>>,
    watching: Option<(Monitor, Vec<ColumnScale>)>,
    /// Cells so far that held no number.
    missing: u64,
}

impl Watcher {
    pub(crate) fn new(plan: MonitorPlan) -> Self {
        Self { plan, waiting: Vec::new(), watching: None, missing: 0 }
    }

    /// Whether the baseline is complete.
    pub(crate) fn is_watching(&self) -> bool {
        self.watching.is_some()
    }

    /// Cells so far that held no number, and counted as the mean of their column in the baseline.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    /// Takes the next row, and gives what those rows came to that it made known: all of the baseline at its end, and then
    /// each. Columns are counted from 0.
    ///
    /// # Errors
    /// As [`Monitor::new`] and [`Monitor::take`].
    pub(crate) fn take(&mut self, row: Vec<f64>) -> Result<Vec<Look>, MonitorError> {
        self.missing += row.iter().filter(|number| number.is_nan()).map(|_| 1).sum::<u64>();
        if let Some((monitor, scales)) = &mut self.watching {
            return Ok(vec![monitor.take(&fixed(&row, scales))?]);
        }
        self.waiting.push(row);
        if self.waiting.len() < self.plan.baseline_rows {
            return Ok(Vec::new());
        }
        let rows = std::mem::take(&mut self.waiting);
        let width = rows.first().map_or(0, Vec::len);
        let scales = (0..width).map(|column| ColumnScale::of(&rows, column)).collect();
        let (monitor, scales) = self.watching.insert((Monitor::new(width, self.plan)?, scales));
        rows.iter().map(|row| monitor.take(&fixed(row, scales))).collect()
    }
}

/// How the numbers of a column are counted.
#[derive(Clone, Copy, Debug)]
struct ColumnScale {
    scale: Scale,
    /// Of the baseline.
    mean: f64,
}

impl ColumnScale {
    fn of(rows: &[Vec<f64>], column: usize) -> Self {
        let numbers = || rows.iter().filter_map(|row| row.get(column)).filter(|number| number.is_finite());
        let size = numbers().fold(0.0_f64, |size, number| size.max(number.abs()));
        let scale = if size > 0.0 { Scale::fitting(size) } else { Scale::default() };
        let count = numbers().count().max(1) as f64;
        Self { scale, mean: numbers().map(|number| number / count).sum() }
    }
}

/// The nearest numbers that can be counted: the greatest for infinities, the mean of the baseline for what is no number.
fn fixed(row: &[f64], scales: &[ColumnScale]) -> Vec<FixedPoint> {
    let columns = row.iter().zip(scales);
    columns
        .map(|(number, column)| FixedPoint::nearest(if number.is_nan() { column.mean } else { *number }, column.scale))
        .collect()
}
