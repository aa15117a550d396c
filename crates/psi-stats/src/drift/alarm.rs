//! What people are told, and when again.

use super::verdict::ColumnVerdict;

/// So many rows must be quiet before the same is told again.
pub const QUIET_ROWS: usize = 50;

/// Why people are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cause {
    /// The latest rows don't come from where the baseline came from: by the most severe column.
    Drift(ColumnVerdict),
    /// A row is unlike all before it: by its novelty.
    Unusual(f64),
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

/// Whether it is quiet: an alarm begins where something shows after so many rows that it did not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet {
    latest: Option<usize>,
}

impl Quiet {
    /// Whether row `at` ends the quiet. `shows` says whether there is something at it.
    pub(super) fn breaks(&mut self, at: usize, shows: bool) -> bool {
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
        let mut quiet = Quiet::default();
        let told: Vec<usize> = [3, 4, 54, 104, 155, 300].into_iter().filter(|row| quiet.breaks(*row, true)).collect();
        assert_eq!(told, [3, 155, 300], "row 104 is the fiftieth after 54: 49 rows were quiet");
        assert!(!quiet.breaks(400, false));
    }
}
