//! What this replica's own origin has added to one field: live sums, encoded only when they are flushed.
//!
//! Between two flushes any number of steps costs one encoding an entry, so what is pending is always one
//! difference of state and never a queue.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use psi_engine::Metrics;
use psi_stats::{Fixed, Moments, MomentsError, Scale, Window, quantize};

use crate::{
    entry::Entry,
    key::{Epoch, Key, Lane},
    name::FieldName,
    origin::Version,
    value::{self, DIMENSIONS_PER_ENTRY, METRICS, Record},
};

/// The own origin's share of a field in one epoch.
#[derive(Clone, Debug)]
pub(crate) struct OwnField {
    pub(crate) epoch: Epoch,
    pub(crate) moments: Moments,
    pub(crate) window: Window,
    pub(crate) recent: Option<Record>,
    /// Interventions written so far: the next one's sequence.
    pub(crate) interventions: u64,
    sums_written: Option<Version>,
    slots_written: BTreeMap<u64, Version>,
}

impl OwnField {
    pub(crate) fn new(epoch: Epoch, width: usize) -> Self {
        Self {
            epoch,
            moments: Moments::new(width),
            window: Window::new(METRICS),
            recent: None,
            interventions: 0,
            sums_written: None,
            slots_written: BTreeMap::new(),
        }
    }

    /// The dimensions of its moments entry `index`; `None` if it has fewer.
    pub(crate) fn chunk(&self, index: usize) -> Option<Range<usize>> {
        chunks(self.moments.width()).nth(index)
    }

    /// Takes in one scored step as part of the write `version`.
    ///
    /// # Errors
    /// If the width differs or the counts are full; nothing was changed then.
    pub(crate) fn absorb(&mut self, version: Version, input: &[Fixed], record: Record) -> Result<(), MomentsError> {
        self.moments.add(input)?;
        let slot = self.window.record(record.clock.second(), &fixed_metrics(record.metrics))?;
        self.slots_written.insert(slot, version);
        self.sums_written = Some(version);
        self.recent = Some(record);
        Ok(())
    }

    /// Encodes what was written since the last flush.
    pub(crate) fn flush(&mut self, field: &FieldName) -> Vec<Entry> {
        let mut entries = Vec::new();
        let epoch = self.epoch;
        let mut push = |lane, index, version, value: Bytes| {
            let key = Key { field: field.clone(), epoch, lane, index };
            entries.push(Entry { key, version, value });
        };
        if let Some(version) = self.sums_written.take() {
            for (index, range) in (0..).zip(chunks(self.moments.width())) {
                push(Lane::MOMENTS, index, version, value::encode_moments(&self.moments.dimensions(range)));
            }
            if let Some(record) = &self.recent {
                push(Lane::RECENT, 0, version, value::encode_recent(record));
            }
        }
        for (slot, version) in std::mem::take(&mut self.slots_written) {
            if let Some((second, sums)) = self.window.bucket(slot) {
                push(Lane::WINDOWS, slot, version, value::encode_window(second, sums));
            }
        }
        entries
    }
}

/// The dimensions of each moments entry of a field of the given width.
pub(crate) fn chunks(width: usize) -> impl Iterator<Item = Range<usize>> {
    (0..width).step_by(DIMENSIONS_PER_ENTRY).map(move |first| first..width.min(first + DIMENSIONS_PER_ENTRY))
}

/// Metrics as the windows sum them. Every engine keeps its metrics finite and far below 2²⁴; should one ever not,
/// the number counts as the nearest that can be summed, so that a step is never half absorbed.
fn fixed_metrics(metrics: Metrics) -> Vec<Fixed> {
    const LARGEST: f64 = 16_777_215.0;
    let summable = metrics.to_array().map(|metric| if metric.is_nan() { 0.0 } else { metric.clamp(-LARGEST, LARGEST) });
    quantize(&summable, Scale::default()).expect("clamped to the range")
}
