//! Inputs of one span of time, by buckets.

use bytes::Bytes;
use psi_stats::drift::Histogram;

use super::values::{AnchorId, PlacedAnchor};
use crate::component::value::ValueError;

/// Which counts may be added: those of one anchor, and of as many columns with and without pairs.
pub(crate) type CountsKind = (AnchorId, (usize, usize));

/// Inputs of one span, by the buckets of one anchor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SlotCounts {
    pub(crate) anchor: AnchorId,
    /// How many inputs.
    pub(crate) inputs: u64,
    /// Columns, with and without pairs.
    pub(crate) shape: (usize, usize),
    /// Encoded: most are never looked at.
    pub(crate) bytes: Bytes,
}

impl SlotCounts {
    pub(crate) fn of(anchor: AnchorId, histogram: &Histogram) -> Self {
        let shape = (histogram.columns().len(), histogram.width());
        Self { anchor, inputs: histogram.count(), shape, bytes: histogram.encode().into() }
    }

    pub(crate) fn decode(anchor: AnchorId, bytes: Bytes) -> Result<Self, ValueError> {
        let histogram = Histogram::decode(&bytes)?;
        let shape = (histogram.columns().len(), histogram.width());
        Ok(Self { anchor, inputs: histogram.count(), shape, bytes })
    }

    /// What they may be added to.
    pub(crate) fn kind(&self) -> CountsKind {
        (self.anchor, self.shape)
    }

    pub(crate) fn histogram(&self) -> Option<Histogram> {
        Histogram::decode(&self.bytes).ok()
    }

    pub(crate) fn is_of(&self, placed: &PlacedAnchor) -> bool {
        let anchor = &placed.anchor;
        (self.anchor, self.shape) == (placed.id, (anchor.width() + anchor.pairs().len(), anchor.width()))
    }

    /// Takes equal bytes in place of its own.
    pub(crate) fn share(&mut self, bytes: Bytes) {
        debug_assert_eq!(bytes, self.bytes);
        self.bytes = bytes;
    }
}
