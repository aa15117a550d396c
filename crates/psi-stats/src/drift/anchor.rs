//! Where the buckets of each column lie: around the mean of the first inputs, as wide as these were spread. And which
//! columns go together.

use super::column::{Column, ColumnAnchor};
use super::pair::{PAIRED_MAX, PairAnchor, pairs};
use crate::fixed::FixedPoint;
use crate::moments::Moments;

/// Inputs by which a stream is anchored.
pub const ANCHOR_INPUTS: usize = 256;

/// An anchor has at most so many columns.
pub const ANCHOR_COLUMNS_MAX: usize = PAIRED_MAX;

/// Why there is no anchor of these columns and pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// Too many columns, or none.
    #[error("{0} columns, an anchor has 1 to {ANCHOR_COLUMNS_MAX}")]
    Columns(usize),
    /// More pairs than columns.
    #[error("{0} pairs, more than columns")]
    Pairs(usize),
    /// A column whose buckets can't lie there.
    #[error("column {0} has its buckets where no input can be")]
    Column(usize),
    /// A pair of columns that there are not, or whose buckets can't lie there.
    #[error("pair {0} is of columns that there are not, or has its buckets where no distance can be")]
    Pair(usize),
}

/// Where the buckets of all columns and pairs lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    columns: Vec<ColumnAnchor>,
    pairs: Vec<PairAnchor>,
}

impl Anchor {
    /// The anchor that some first inputs give, the first [`ANCHOR_INPUTS`] of them; `None` without any, or if they differ
    /// in their width.
    #[must_use]
    pub fn of(inputs: &[Vec<FixedPoint>]) -> Option<Self> {
        let first = &inputs[..inputs.len().min(ANCHOR_INPUTS)];
        let mut moments = Moments::new(first.first()?.len());
        first.iter().try_for_each(|input| moments.add(input)).ok()?;
        Self::around(&moments, first)
    }

    /// The anchor around the means of `moments`, as wide as these are spread, with the pairs that go together among some
    /// of the inputs. `None` of no moments.
    #[must_use]
    pub fn around(moments: &Moments, inputs: &[Vec<FixedPoint>]) -> Option<Self> {
        let count = moments.count();
        if count == 0 {
            return None;
        }
        let columns: Vec<ColumnAnchor> = moments.sums.iter().map(|&sums| ColumnAnchor::of(sums, count)).collect();
        let off =
            |input: &Vec<FixedPoint>| input.iter().zip(&columns).map(|(value, anchor)| anchor.z(*value)).collect();
        let pairs = pairs(&inputs.iter().map(off).collect::<Vec<_>>());
        Some(Self { columns, pairs })
    }

    /// The anchor of these columns and pairs.
    ///
    /// # Errors
    /// [`AnchorError`]: no anchor of any inputs has them.
    pub fn new(columns: Vec<ColumnAnchor>, pairs: Vec<PairAnchor>) -> Result<Self, AnchorError> {
        let width = columns.len();
        if !(1..=ANCHOR_COLUMNS_MAX).contains(&width) {
            return Err(AnchorError::Columns(width));
        }
        if pairs.len() > width {
            return Err(AnchorError::Pairs(pairs.len()));
        }
        if let Some(column) = columns.iter().position(|column| !column.is_possible()) {
            return Err(AnchorError::Column(column));
        }
        if let Some(pair) = pairs.iter().position(|pair| !pair.is_possible(width)) {
            return Err(AnchorError::Pair(pair));
        }
        Ok(Self { columns, pairs })
    }

    /// The number of columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Where each column's buckets lie.
    pub fn columns(&self) -> &[ColumnAnchor] {
        &self.columns
    }

    /// What each column of a histogram is of: the columns, then the pairs.
    pub fn names(&self) -> Vec<Column> {
        let singles = (0..self.width()).map(Column::Single);
        singles.chain(self.pairs.iter().map(|pair| Column::Pair(pair.columns.0, pair.columns.1))).collect()
    }

    /// Columns that go together, and where the buckets of their distance lie.
    pub fn pairs(&self) -> &[PairAnchor] {
        &self.pairs
    }
}
