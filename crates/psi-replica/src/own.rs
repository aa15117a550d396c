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
    interventions::Retired,
    key::{Epoch, Key, Lane},
    learned::{
        Learned,
        own::{OwnLearned, Slot},
    },
    name::FieldName,
    origin::{Origin, Version},
    value::{self, DIMENSIONS_PER_ENTRY, METRICS, Record},
    watch::{OwnWatch, Recorder},
};

/// The own origin's share of a field in one epoch.
#[derive(Clone, Debug)]
pub(crate) struct OwnField {
    pub(crate) epoch: Epoch,
    pub(crate) moments: Moments,
    pub(crate) window: Window,
    pub(crate) recent: Option<Record>,
    /// Interventions written so far by hand and by the guardian: the next one's sequence.
    pub(crate) interventions: [u64; 2],
    /// Interventions that are no longer kept.
    pub(crate) retired: Retired,
    pub(crate) watch: OwnWatch,
    pub(crate) recorder: Recorder,
    pub(crate) learned: OwnLearned,
    sums_written: Option<Version>,
    /// Entries of the other lanes that wait for a flush.
    slots_written: BTreeMap<Slot, Version>,
}

impl OwnField {
    pub(crate) fn new(epoch: Epoch, width: usize) -> Self {
        Self {
            epoch,
            moments: Moments::new(width),
            window: Window::new(METRICS),
            recent: None,
            interventions: [0; 2],
            retired: Retired::default(),
            watch: OwnWatch::default(),
            recorder: Recorder::default(),
            learned: OwnLearned::default(),
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
        self.touch(version, [(Lane::WINDOWS, slot)]);
        self.sums_written = Some(version);
        self.recent = Some(record);
        Ok(())
    }

    /// Notes entries that the write `version` touched, for the next flush.
    pub(crate) fn touch(&mut self, version: Version, slots: impl IntoIterator<Item = Slot>) {
        self.slots_written.extend(slots.into_iter().map(|slot| (slot, version)));
    }

    /// Forgets what waits for a flush.
    pub(crate) fn forget_pending(&mut self) {
        self.sums_written = None;
        self.slots_written.clear();
    }

    /// The slots that wait for a flush.
    pub(crate) fn pending(&self) -> Vec<Slot> {
        self.slots_written.keys().copied().collect()
    }

    /// Makes all that waits for a flush part of the write `version`, beside what `before` it still waits.
    pub(crate) fn written_as(&mut self, version: Version, before: Option<&Self>) {
        self.sums_written = Some(version);
        self.slots_written.values_mut().for_each(|written| *written = version);
        for (slot, written) in before.into_iter().flat_map(|before| &before.slots_written) {
            self.slots_written.entry(*slot).or_insert(*written);
        }
    }

    /// Encodes what `me` has written since the last flush.
    pub(crate) fn flush(&mut self, field: &FieldName, me: &Origin, learned: Option<&Learned>) -> Vec<Entry> {
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
            if let Some(value) = self.value(slot, me, learned) {
                push(slot.0, slot.1, version, value);
            }
        }
        entries
    }

    /// The value of a slot as it stands.
    pub(crate) fn value(&self, slot: Slot, me: &Origin, learned: Option<&Learned>) -> Option<Bytes> {
        let (lane, index) = slot;
        match lane {
            Lane::WINDOWS => self.window.bucket(index).map(|(second, sums)| value::encode_window(second, sums)),
            Lane::HISTORY => Some(value::encode_history(self.watch.entry(index))),
            Lane::GUARDIAN => Some(value::encode_guardian(self.watch.alarm, self.retired)),
            _ => self.learned.value(learned?, me, slot),
        }
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
