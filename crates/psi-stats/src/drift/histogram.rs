//! How many inputs fell into which bucket, per column and pair of columns.

pub(super) mod encode;

use super::anchor::Anchor;
use super::column::COLUMN_BUCKETS;
use super::pair::PAIRED_MAX;
use crate::fixed::FixedPoint;

/// Counts by column and bucket. The columns come first, then the pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    count: u64,
    width: usize,
    columns: Vec<[u64; COLUMN_BUCKETS]>,
}

/// Why a histogram was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistogramError {
    /// The input, or the other histogram, has other columns.
    #[error("{got} columns do not match {want}")]
    Columns {
        /// Columns of the argument.
        got: usize,
        /// Columns of what it was to go into.
        want: usize,
    },
    /// More was to be taken out than there is.
    #[error("column {column}, bucket {bucket}: cannot take {taken} inputs out of {held}")]
    Underflow {
        /// Index of the column, from 0.
        column: usize,
        /// Index of the bucket, from 0.
        bucket: usize,
        /// Inputs there are.
        held: u64,
        /// Inputs to be taken out.
        taken: u64,
    },
}

impl Histogram {
    /// Counts of no inputs.
    #[must_use]
    pub fn new(anchor: &Anchor) -> Self {
        let columns = anchor.width() + anchor.pairs().len();
        Self { count: 0, width: anchor.width(), columns: vec![[0; COLUMN_BUCKETS]; columns] }
    }

    /// The number of inputs.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The number of columns, without pairs.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Counts by bucket, of each column and then of each pair.
    pub fn columns(&self) -> &[[u64; COLUMN_BUCKETS]] {
        &self.columns
    }

    /// Counts one input.
    ///
    /// # Errors
    /// [`HistogramError::Columns`] if it has another width than the anchor, or the anchor another than this; nothing has
    /// changed then.
    pub fn add(&mut self, anchor: &Anchor, input: &[FixedPoint]) -> Result<(), HistogramError> {
        self.change(anchor, input, |count| *count = count.wrapping_add(1))
    }

    /// Takes one input out again that was counted by the same anchor; undoes [`Self::add`].
    ///
    /// # Errors
    /// [`HistogramError::Columns`]; nothing has changed then.
    pub fn remove(&mut self, anchor: &Anchor, input: &[FixedPoint]) -> Result<(), HistogramError> {
        self.change(anchor, input, |count| *count = count.wrapping_sub(1))
    }

    /// Changes the count of each bucket that an input falls into.
    #[inline]
    fn change(
        &mut self,
        anchor: &Anchor,
        input: &[FixedPoint],
        change: impl Fn(&mut u64),
    ) -> Result<(), HistogramError> {
        same_columns(input.len(), anchor.width())?;
        same_columns(anchor.width() + anchor.pairs().len(), self.columns.len())?;
        let (columns, pairs) = self.columns.split_at_mut(self.width);
        let mut z = [0; PAIRED_MAX];
        for (at, ((column, anchor), value)) in columns.iter_mut().zip(anchor.columns()).zip(input).enumerate() {
            let (bucket, off) = anchor.placed(*value);
            change(&mut column[bucket]);
            if let Some(z) = z.get_mut(at) {
                *z = off;
            }
        }
        for (column, pair) in pairs.iter_mut().zip(anchor.pairs()) {
            change(&mut column[pair.bucket(&z)]);
        }
        change(&mut self.count);
        Ok(())
    }

    /// Adds all inputs of another histogram of the same anchor.
    ///
    /// # Errors
    /// [`HistogramError::Columns`]; nothing has changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), HistogramError> {
        same_columns(other.columns.len(), self.columns.len())?;
        let pairs = self.columns.iter_mut().flatten().zip(other.columns.iter().flatten());
        pairs.for_each(|(own, others)| *own = own.wrapping_add(*others));
        self.count = self.count.wrapping_add(other.count);
        Ok(())
    }

    /// Takes all inputs of another histogram out again; undoes [`Self::merge`].
    ///
    /// # Errors
    /// [`HistogramError::Columns`] or [`HistogramError::Underflow`]; nothing has changed then.
    pub fn subtract(&mut self, other: &Self) -> Result<(), HistogramError> {
        same_columns(other.columns.len(), self.columns.len())?;
        for (column, (own, others)) in self.columns.iter().zip(&other.columns).enumerate() {
            if let Some(bucket) = own.iter().zip(others).position(|(held, taken)| held < taken) {
                let (held, taken) = (own[bucket], others[bucket]);
                return Err(HistogramError::Underflow { column, bucket, held, taken });
            }
        }
        let pairs = self.columns.iter_mut().flatten().zip(other.columns.iter().flatten());
        pairs.for_each(|(own, others)| *own -= others);
        self.count = self.count.wrapping_sub(other.count);
        Ok(())
    }
}

pub(super) fn same_columns(got: usize, want: usize) -> Result<(), HistogramError> {
    if got == want { Ok(()) } else { Err(HistogramError::Columns { got, want }) }
}
