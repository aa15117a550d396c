//! Alarms: what is reported of a stream, and when again.

use crate::drift::verdict::ColumnVerdict;

/// So many rows must be quiet before the same is reported again.
pub const QUIET_ROWS: usize = 50;

/// Why there is an alarm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cause {
    /// The latest rows don't come from where the baseline came from: by the most severe column.
    Drift(ColumnVerdict),
    /// A row is unlike all before it.
    Unusual {
        /// The root mean square z-score of its columns.
        novelty: f64,
        /// The greatest z-score of a column, without its sign.
        z: f64,
    },
}

/// That something has begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// The first row that showed it, from 0.
    pub row: usize,
    /// What it is.
    pub cause: Cause,
    /// How severe it was at that row, from 0 to 1.
    pub severity: f64,
    /// The columns that show it, the most severe first.
    pub columns: Vec<usize>,
}

/// Lets an alarm through where something shows after so many rows that it did not.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::drift) struct AlarmGate {
    latest: Option<usize>,
}

impl AlarmGate {
    /// Records whether something shows at row `at`; tells whether an alarm begins there.
    pub(in crate::drift) fn record(&mut self, at: usize, shows: bool) -> bool {
        if !shows {
            return false;
        }
        let is_quiet = self.latest.is_none_or(|latest| at - latest > QUIET_ROWS);
        self.latest = Some(at);
        is_quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_begins_after_fifty_quiet_rows() {
        let mut gate = AlarmGate::default();
        let told: Vec<usize> = [3, 4, 54, 104, 155, 300].into_iter().filter(|row| gate.record(*row, true)).collect();
        assert_eq!(told, [3, 155, 300], "row 104 is the fiftieth after 54: 49 rows were quiet");
        assert!(!gate.record(400, false));
    }
}
