//! What a look at the latest windows comes to.

use super::anchor::Anchor;
use super::column::Column;
use super::comparison::{Comparison, Thresholds};

/// From here on a severity is a warning.
const WARNING: f64 = 0.5;

/// What the most severe window of one column came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColumnVerdict {
    /// Which column.
    pub column: Column,
    /// Rows of that window.
    pub rows: u64,
    /// The window against the baseline.
    pub comparison: Comparison,
    /// How severe that is, from 0 to 1.
    pub severity: f64,
}

/// A look at one window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowLook {
    /// Rows of the window.
    pub rows: u64,
    /// The window against the baseline: each column, pairs last.
    pub compared: Vec<Comparison>,
    /// Of each, whether it has been improbable for long enough that it need not be as improbable as what has just begun.
    pub have_lasted: Vec<bool>,
}

/// What the latest windows came to, column by column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    columns: Vec<ColumnVerdict>,
}

impl Verdict {
    /// What looks at several windows come to: of each column, the most severe.
    #[must_use]
    pub fn of(anchor: &Anchor, looks: &[WindowLook], thresholds: &Thresholds) -> Self {
        let names = anchor.names();
        let comparisons = u32::try_from(names.len() * looks.len()).unwrap_or(u32::MAX);
        let mut columns: Vec<ColumnVerdict> = Vec::new();
        for look in looks {
            let compared = look.compared.iter().zip(&look.have_lasted).zip(&names);
            for (place, ((&comparison, &has_lasted), &column)) in compared.enumerate() {
                let severity = thresholds.severity(&comparison, comparisons, has_lasted);
                let verdict = ColumnVerdict { column, rows: look.rows, comparison, severity };
                match columns.get_mut(place) {
                    Some(held) if held.severity >= severity => {}
                    Some(held) => *held = verdict,
                    None => columns.push(verdict),
                }
            }
        }
        Self { columns }
    }

    /// Each column, pairs last.
    #[must_use]
    pub fn columns(&self) -> &[ColumnVerdict] {
        &self.columns
    }

    /// The greatest severity of a column.
    #[must_use]
    pub fn severity(&self) -> f64 {
        self.columns.iter().fold(0.0, |severity, column| severity.max(column.severity))
    }

    /// The column that is most severe: a pair only where no column drifts by itself.
    #[must_use]
    pub fn worst(&self) -> Option<&ColumnVerdict> {
        let is_single = |verdict: &&ColumnVerdict| matches!(verdict.column, Column::Single(_));
        let by_severity = |a: &&ColumnVerdict, b: &&ColumnVerdict| a.severity.total_cmp(&b.severity);
        let single = self.columns.iter().filter(is_single).max_by(by_severity);
        single.filter(|single| single.severity >= WARNING).or_else(|| self.columns.iter().max_by(by_severity))
    }

    /// Whether that is a warning at least.
    #[must_use]
    pub fn is_drift(&self) -> bool {
        self.severity() >= WARNING
    }

    /// The columns that drift, the most severe first. Where none does by itself, the two of the worst pair, first the one
    /// that moved more.
    #[must_use]
    pub fn named(&self) -> Vec<usize> {
        let mut drifting: Vec<(f64, usize)> = self
            .columns
            .iter()
            .filter_map(|verdict| match verdict.column {
                Column::Single(column) if verdict.severity >= WARNING => Some((verdict.severity, column)),
                _ => None,
            })
            .collect();
        drifting.sort_by(|a, b| b.0.total_cmp(&a.0));
        match self.worst().map(|worst| worst.column) {
            Some(Column::Pair(a, b)) if self.excess(b) > self.excess(a) => vec![b, a],
            Some(Column::Pair(a, b)) => vec![a, b],
            _ => drifting.into_iter().map(|(_, column)| column).collect(),
        }
    }

    /// What of a column's index is no chance.
    fn excess(&self, column: usize) -> f64 {
        let single = self.columns.iter().find(|verdict| verdict.column == Column::Single(column));
        single.map_or(0.0, |verdict| verdict.comparison.excess)
    }
}
