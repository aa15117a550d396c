//! Where the buckets of each column lie: around the mean of the first inputs, as wide as these were spread. And which
//! columns go together.

use super::column::ColumnAnchor;
use super::pair::{PairAnchor, pairs};
use crate::fixed::FixedPoint;
use crate::moments::Moments;

/// Inputs by which a stream is anchored.
pub const ANCHOR_INPUTS: usize = 256;

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
        let first = || inputs.iter().take(ANCHOR_INPUTS);
        let mut moments = Moments::new(inputs.first()?.len());
        first().try_for_each(|input| moments.add(input)).ok()?;
        let count = moments.count();
        let columns: Vec<ColumnAnchor> = moments.sums.iter().map(|&sums| ColumnAnchor::of(sums, count)).collect();
        let off =
            |input: &Vec<FixedPoint>| input.iter().zip(&columns).map(|(value, anchor)| anchor.z(*value)).collect();
        let pairs = pairs(&first().map(off).collect::<Vec<_>>());
        Some(Self { columns, pairs })
    }

    /// The number of columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Where each column's buckets lie.
    pub fn columns(&self) -> &[ColumnAnchor] {
        &self.columns
    }

    /// Columns that go together, and where the buckets of their distance lie.
    pub fn pairs(&self) -> &[PairAnchor] {
        &self.pairs
    }
}
