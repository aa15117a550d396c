//! What counts as found, and what as a false alarm.

use serde::Serialize;

/// Rows after a window that are no quiet ones: what changed back is no false alarm.
const AFTERMATH: usize = 60;

/// Rows, and what is known of them.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) rows: Vec<Vec<f64>>,
    /// The first rows, which are usual.
    pub(super) train: usize,
    /// The first and the last row of each change.
    pub(super) windows: Vec<(usize, usize)>,
}

/// What the streams of a set come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    windows: usize,
    delays: Vec<usize>,
    false_alarms: usize,
    quiet_rows: usize,
}

/// The same in the figures that are told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Score {
    pub(super) found: usize,
    pub(super) windows: usize,
    /// In rows; `None` if nothing was found.
    pub(super) median_delay: Option<usize>,
    pub(super) false_alarms: usize,
    pub(super) quiet_rows: usize,
    /// False alarms in 10,000 quiet rows.
    pub(super) per_10_000: f64,
}

impl Tally {
    /// Adds a stream that alarmed at these rows, in order.
    pub(super) fn add(&mut self, stream: &Stream, alarms: &[usize]) {
        let is_disturbed =
            |row: usize| stream.windows.iter().any(|&(first, last)| (first..=last + AFTERMATH).contains(&row));
        self.windows += stream.windows.len();
        for &(first, last) in &stream.windows {
            self.delays.extend(alarms.iter().find(|row| (first..=last).contains(*row)).map(|row| row - first));
        }
        self.false_alarms += alarms.iter().filter(|row| **row >= stream.train && !is_disturbed(**row)).count();
        self.quiet_rows += (stream.train..stream.rows.len()).filter(|row| !is_disturbed(*row)).count();
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    pub(super) fn score(mut self) -> Score {
        self.delays.sort_unstable();
        Score {
            found: self.delays.len(),
            windows: self.windows,
            median_delay: self.delays.get(self.delays.len() / 2).copied(),
            false_alarms: self.false_alarms,
            quiet_rows: self.quiet_rows,
            per_10_000: 1e4 * self.false_alarms as f64 / self.quiet_rows.max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_late_or_false_or_neither() {
        let rows = vec![vec![0.0]; 1_000];
        let stream = Stream { name: "s".to_owned(), rows, train: 100, windows: vec![(500, 599), (800, 899)] };
        let mut tally = Tally::default();
        tally.add(&stream, &[50, 499, 510, 520, 630, 659, 660]);
        let want = Score {
            found: 1,
            windows: 2,
            median_delay: Some(10),
            false_alarms: 2,
            quiet_rows: 900 - 2 * 160,
            per_10_000: 2e4 / 580.0,
        };
        assert_eq!(tally.score(), want);
        assert_eq!(Tally::default().score().median_delay, None);
    }
}
