//! Inputs by span of time and bucket: what baselines and windows are made of.
//!
//! An input is counted in its second, by the clock of its step. Once the second is over, its origin writes it, and adds it
//! to the minute, the hour and the day. So what a window holds depends on the inputs that were accepted and their clocks
//! alone, and not on which node took them.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind, VALUE_BYTES_MAX, Version};
use psi_stats::{Fixed, drift::Histogram};

use super::{
    anchors::watched,
    counts::{CountsKind, SlotCounts},
    held::HeldCounts,
    judgement,
    levels::{INDEXES, LEVELS, Span},
    values::{AnchorId, PlacedAnchor},
    view::{DriftView, KnownVerdict},
};
#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink,
        facts::EpochFacts,
        value::{ValueError, at_index, at_most, encoded, message},
    },
    proto,
    spec::EpochShape,
};

/// Inputs of a span of time, by buckets.
pub const SLOTS: Lane = Lane(proto::Lane::Slots as u32);

/// The base keeps the counts of as many anchors, in so many bytes.
const COUNTS_MAX: usize = 8;
const COUNTS_BYTES_MAX: usize = VALUE_BYTES_MAX * 7 / 8;

/// What an origin writes of one span.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SlotValue {
    pub(crate) span: Span,
    pub(crate) counts: Vec<SlotCounts>,
}

/// The fold: the spans of the other origins, and the own ones.
#[derive(Debug)]
pub(crate) struct Slots {
    held: HeldCounts,
    remembered: RefCell<Option<KnownVerdict>>,
}

/// What was remembered is worked out again.
impl Clone for Slots {
    fn clone(&self) -> Self {
        Self { held: self.held.clone(), remembered: RefCell::default() }
    }
}

impl Slots {
    /// Counts an own input of `second`, as part of the write `version`; tells whether a span was written.
    pub(crate) fn absorb(
        &mut self,
        version: Version,
        second: u64,
        placed: &Arc<PlacedAnchor>,
        input: &[Fixed],
    ) -> bool {
        let has_written = self.held.own.is_due(second) && self.write_due(second, || version);
        if !self.held.own.add(version, second, placed, watched(input)) {
            return has_written;
        }
        self.remembered.take();
        true
    }

    /// The second from which on something is to be written.
    pub(crate) fn due_at(&self) -> Option<u64> {
        self.held.own.due_at()
    }

    /// Writes the own spans that are over by `second`; tells whether there were any.
    pub(crate) fn write_due(&mut self, second: u64, version: impl FnOnce() -> Version) -> bool {
        let has_written = self.held.own.write_due(second, version);
        if has_written {
            self.remembered.take();
        }
        has_written
    }

    /// What is held of all origins.
    pub(crate) fn held(&self) -> &HeldCounts {
        &self.held
    }

    /// The verdict as it was last worked out, if that was of the same second and nothing has changed since.
    #[inline]
    pub(crate) fn remembered(&self, second: Option<u64>) -> Option<Arc<DriftView>> {
        self.remembered.borrow().as_ref().filter(|held| held.second == second).map(|held| Arc::clone(&held.view))
    }

    /// The verdict, which is remembered.
    pub(crate) fn judged(&self, facts: &EpochFacts<'_>) -> Arc<DriftView> {
        let view = Arc::new(judgement::judge(&self.held, facts));
        self.remembered.replace(Some(KnownVerdict { second: facts.last_second, view: Arc::clone(&view) }));
        view
    }
}

impl Component for Slots {
    type Value = SlotValue;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(_: Lane) -> u64 {
        LEVELS.len() as u64 * INDEXES - 1
    }

    fn decode(key: &Key, bytes: &Bytes) -> Result<SlotValue, ValueError> {
        let proto::SlotValue { number, counts } = message(bytes)?;
        at_most(counts.len(), COUNTS_MAX)?;
        let level = usize::try_from(key.index / INDEXES).ok().filter(|level| *level < LEVELS.len());
        let span = Span { level: level.ok_or(ValueError::Spans)?, number };
        at_index(key, span.index())?;
        let counts = counts.into_iter().map(|counts| SlotCounts::decode(AnchorId(counts.anchor), counts.histogram));
        let counts: Vec<SlotCounts> = counts.collect::<Result<_, _>>()?;
        if !counts.is_sorted_by(|one, next| one.kind() < next.kind()) {
            return Err(ValueError::Spans);
        }
        Ok(SlotValue { span, counts })
    }

    fn encode(value: &SlotValue) -> Bytes {
        encode(value.span, &value.counts)
    }

    fn clock(value: &SlotValue) -> Option<Clock> {
        // A span may end after the step that it counts, and the clock of that one stands elsewhere.
        let seconds = LEVELS[value.span.level].seconds;
        Some(Clock { wall_ms: value.span.number.saturating_mul(seconds).saturating_mul(1000), counter: 0 })
    }

    fn change(&mut self, origin: &Origin, _: &Key, value: &SlotValue, direction: Direction) {
        // One origin counts by one anchor at a time.
        if value.counts.len() > 1 && !origin.is_base() {
            return;
        }
        self.held.change(origin, value.span, &value.counts, direction);
        self.remembered.take();
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &psi_replica::Scope) -> (Lane, u64, SlotValue) {
        let level = usize::try_from(rng.below(4)).unwrap_or(0);
        // Spans that are over by the latest step of most.
        let second = rng.clock().second() - rng.below(60);
        let span = Span::of(level, second);
        let placed = super::anchors::sample_anchor(rng);
        let mut histogram = Histogram::new(&placed.anchor);
        for _ in 0..=rng.below(200) {
            histogram.add(&placed.anchor, &sample_input(rng)).expect("three columns");
        }
        (SLOTS, span.index(), SlotValue { span, counts: vec![SlotCounts::of(placed.id, &histogram)] })
    }
}

/// Three numbers about 0.
#[cfg(test)]
pub(crate) fn sample_input(rng: &mut SampleRng) -> Vec<Fixed> {
    let numbers: Vec<f64> = (0..3).map(|_| (rng.unit() + rng.unit() - 1.0) / 8.0).collect();
    psi_stats::quantize(&numbers, psi_stats::Scale::default()).expect("small numbers")
}

impl EpochComponent for Slots {
    /// The verdict, and what it is of.
    type View = Arc<DriftView>;

    fn new(_: &EpochShape) -> Self {
        Self { held: HeldCounts::default(), remembered: RefCell::default() }
    }

    fn restart(&mut self, _: &EpochShape, _: Option<&Origin>) {
        self.held.forget_others();
        self.remembered.take();
    }

    /// Always worked out: what it depends on may have changed within the second.
    fn view(&self, facts: &EpochFacts<'_>) -> Arc<DriftView> {
        self.judged(facts)
    }

    /// The counts of each span that a view may still look at, by anchor.
    fn write_base(&self, facts: &EpochFacts<'_>, base: &mut BaseSink<'_>) {
        let Some(last_second) = facts.last_second else { return };
        let mut sums: BTreeMap<Span, BTreeMap<CountsKind, Histogram>> = BTreeMap::new();
        for (span, counts) in self.held.others() {
            let last = Span::of(span.level, last_second).number;
            if span.number > last || last - span.number >= LEVELS[span.level].kept {
                continue;
            }
            for one in counts {
                let Some(histogram) = one.histogram() else { continue };
                let sums = sums.entry(*span).or_default();
                match sums.get_mut(&(one.anchor, one.shape)) {
                    Some(sum) => drop(sum.merge(&histogram)),
                    None => drop(sums.insert((one.anchor, one.shape), histogram)),
                }
            }
        }
        for (span, sums) in sums {
            let counts = sums.into_iter().map(|((anchor, _), sum)| SlotCounts::of(anchor, &sum));
            let mut counts: Vec<SlotCounts> = counts.filter(|counts| counts.histogram().is_some()).collect();
            // What counts comes first, and the rest as far as there is room.
            counts.sort_by_key(|counts| !facts.drift.anchor.is_some_and(|placed| counts.is_of(placed)));
            counts.truncate(COUNTS_MAX);
            let mut room = COUNTS_BYTES_MAX;
            counts.retain(|counts| {
                let fits = counts.bytes.len() <= room;
                room -= if fits { counts.bytes.len() } else { 0 };
                fits
            });
            counts.sort_by_key(SlotCounts::kind);
            if !counts.is_empty() {
                base.put(SLOTS, span.index(), encode(span, &counts));
            }
        }
    }

    fn flush(&mut self, _: &Origin, sink: &mut FlushSink) {
        for (span, version) in self.held.own.take_dirty() {
            let Some(counts) = self.held.own.written(span) else { continue };
            let value = encode(span, std::slice::from_ref(counts));
            // From now on, the memory is shared with what is flushed.
            if let Ok(flushed) = message::<proto::SlotValue>(&value) {
                self.held.own.share(span, flushed.counts.into_iter().map(|counts| counts.histogram));
            }
            sink.push(SLOTS, span.index(), version, value);
        }
    }

    fn forget_pending(&mut self) {
        self.held.own.forget_pending();
    }

    fn merge_own(&mut self, copy: Self, _: &Origin, version: Version) {
        self.held.own.replace_by(copy.held.own, version);
        self.remembered.take();
    }
}

fn encode(span: Span, counts: &[SlotCounts]) -> Bytes {
    let counts =
        counts.iter().map(|counts| proto::SlotCounts { anchor: counts.anchor.0, histogram: counts.bytes.clone() });
    encoded(&proto::SlotValue { number: span.number, counts: counts.collect() })
}
