//! Rows of numbers from a file, watched for drift.

use psi_stats::{
    FixedPoint, Scale,
    drift::{Look, Monitor, MonitorError, MonitorPlan},
};

/// A stream that is watched. Its scale is that of its baseline, so rows wait until that is complete.
#[derive(Debug)]
pub(crate) struct Watcher {
    plan: MonitorPlan,
    waiting: Vec<Vec<f64>>,
    monitor: Option<(Monitor, Scale)>,
}

impl Watcher {
    pub(crate) fn new(plan: MonitorPlan) -> Self {
        Self { plan, waiting: Vec::new(), monitor: None }
    }

    /// Whether the baseline is complete.
    pub(crate) fn is_watching(&self) -> bool {
        self.monitor.is_some()
    }

    /// Takes the next row, and gives what those rows came to that it made known: all of the baseline at its end, and then
    /// each. Columns are counted from 0.
    ///
    /// # Errors
    /// As [`Monitor::new`] and [`Monitor::take`].
    pub(crate) fn take(&mut self, row: Vec<f64>) -> Result<Vec<Look>, MonitorError> {
        if let Some((monitor, scale)) = &mut self.monitor {
            return Ok(vec![monitor.take(&fixed(&row, *scale))?]);
        }
        self.waiting.push(row);
        if self.waiting.len() < self.plan.baseline_rows {
            return Ok(Vec::new());
        }
        let rows = std::mem::take(&mut self.waiting);
        let sizes = rows.iter().flatten().map(|number| number.abs()).filter(|size| size.is_finite());
        let scale = Scale::fitting(sizes.fold(0.0, f64::max));
        let width = rows.first().map_or(0, Vec::len);
        let (monitor, _) = self.monitor.insert((Monitor::new(width, self.plan)?, scale));
        rows.iter().map(|row| monitor.take(&fixed(row, scale))).collect()
    }
}

/// The nearest numbers that can be counted: 0 for what is none, the greatest for infinities.
fn fixed(row: &[f64], scale: Scale) -> Vec<FixedPoint> {
    row.iter().map(|number| FixedPoint::nearest(*number, scale)).collect()
}
