//! What the own origin counts: the second that runs, and what is over and to be written.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use psi_replica::Version;
use psi_stats::{Fixed, drift::Histogram};

use super::{
    counts::SlotCounts,
    levels::{LEVELS, Span},
    values::PlacedAnchor,
};

/// The second that runs.
#[derive(Clone, Debug)]
struct OpenSecond {
    second: u64,
    placed: Arc<PlacedAnchor>,
    histogram: Histogram,
}

/// Inputs of a span that are counted and not written.
#[derive(Clone, Debug)]
struct PendingSpan {
    span: Span,
    /// The second of the first of them.
    since: u64,
    counts: SlotCounts,
}

/// The own share. Only what is written shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnSlots {
    open: Option<OpenSecond>,
    /// Of each level above seconds.
    unwritten: [Option<PendingSpan>; LEVELS.len()],
    /// By index: as the own entries are, or will be by the next flush.
    written: BTreeMap<u64, (Span, SlotCounts)>,
    dirty: BTreeMap<u64, Version>,
}

impl OwnSlots {
    /// Counts an input of a second, after which no earlier one comes. Tells whether a span was written, which is so where
    /// the anchor has changed within it.
    pub(crate) fn add(&mut self, version: Version, second: u64, placed: &Arc<PlacedAnchor>, input: &[Fixed]) -> bool {
        let is_open = self.open.as_ref().is_some_and(|open| open.second == second && open.placed.id == placed.id);
        let has_written = !is_open && self.close(&mut || version);
        let open = self.open.get_or_insert_with(|| OpenSecond {
            second,
            placed: Arc::clone(placed),
            histogram: Histogram::new(&placed.anchor),
        });
        // Its width was checked.
        let _ = open.histogram.add(&placed.anchor, input);
        has_written
    }

    /// Whether something is over by `second` and not written.
    pub(crate) fn is_due(&self, second: u64) -> bool {
        self.due_at().is_some_and(|due| due <= second)
    }

    /// The second from which on something is to be written.
    pub(crate) fn due_at(&self) -> Option<u64> {
        let open = self.open.as_ref().map(|open| open.second.saturating_add(1));
        self.unwritten.iter().flatten().map(PendingSpan::due_at).chain(open).min()
    }

    /// Writes what is over by `second`; tells whether anything was.
    pub(crate) fn write_due(&mut self, second: u64, version: impl FnOnce() -> Version) -> bool {
        let mut asked = Some(version);
        let mut given = None;
        // Asked for once, and only where there is something to write.
        let mut version = || *given.get_or_insert_with(|| asked.take().expect("asked for once")());
        let is_over = self.open.as_ref().is_some_and(|open| open.second < second);
        let has_closed = is_over && self.close(&mut version);
        let due: Vec<PendingSpan> =
            self.unwritten.iter_mut().filter_map(|one| one.take_if(|one| one.due_at() <= second)).collect();
        let has_written = !due.is_empty();
        for PendingSpan { span, since: _, counts } in due {
            self.write(span, counts, version());
        }
        has_closed || has_written
    }

    /// Writes the second that runs, and adds it to the longer spans.
    fn close(&mut self, version: &mut impl FnMut() -> Version) -> bool {
        let Some(OpenSecond { second, placed, histogram }) = self.open.take() else { return false };
        let counts = SlotCounts::of(placed.id, &histogram);
        for level in 1..LEVELS.len() {
            let span = Span::of(level, second);
            match self.unwritten[level].take() {
                Some(before) if before.span == span && before.counts.anchor == placed.id => {
                    let counts = joined(&before.counts, &histogram);
                    self.unwritten[level] = Some(PendingSpan { counts, ..before });
                }
                before => {
                    if let Some(PendingSpan { span, since: _, counts }) = before {
                        self.write(span, counts, version());
                    }
                    self.unwritten[level] = Some(PendingSpan { span, since: second, counts: counts.clone() });
                }
            }
        }
        self.write(Span::of(0, second), counts, version());
        true
    }

    /// Adds to a written span of the same anchor; takes the place of any other.
    fn write(&mut self, span: Span, counts: SlotCounts, version: Version) {
        let held =
            self.written.get(&span.index()).filter(|(held, before)| (*held, before.anchor) == (span, counts.anchor));
        let sum = match held.and_then(|(_, before)| Some(joined(before, &counts.histogram()?))) {
            Some(sum) => sum,
            None => counts,
        };
        self.written.insert(span.index(), (span, sum));
        self.dirty.insert(span.index(), version);
    }

    /// What is written of a span.
    pub(crate) fn written(&self, span: Span) -> Option<&SlotCounts> {
        self.written.get(&span.index()).filter(|(held, _)| *held == span).map(|(_, counts)| counts)
    }

    /// Spans that were written since this was asked last, and by which write.
    pub(crate) fn take_dirty(&mut self) -> Vec<(Span, Version)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().filter_map(|(index, version)| Some((self.written.get(&index)?.0, version))).collect()
    }

    /// Takes equal bytes in place of those of a span.
    pub(crate) fn share(&mut self, span: Span, histogram: impl IntoIterator<Item = Bytes>) {
        if let Some(((_, counts), histogram)) = self.written.get_mut(&span.index()).zip(histogram.into_iter().next()) {
            counts.share(histogram);
        }
    }

    pub(crate) fn forget_pending(&mut self) {
        self.dirty.clear();
    }

    /// Takes over what a copy has counted, as the write `version`.
    pub(crate) fn replace_by(&mut self, copy: Self, version: Version) {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.extend(copy.dirty.keys().map(|index| (*index, version)));
        *self = Self { dirty, ..copy };
    }
}

impl PendingSpan {
    fn due_at(&self) -> u64 {
        let every = LEVELS[self.span.level].written_every;
        (self.since / every + 1).saturating_mul(every)
    }
}

/// Counts of one anchor together.
fn joined(one: &SlotCounts, more: &Histogram) -> SlotCounts {
    let mut sum = more.clone();
    if let Some(histogram) = one.histogram() {
        let _ = sum.merge(&histogram);
    }
    SlotCounts::of(one.anchor, &sum)
}
