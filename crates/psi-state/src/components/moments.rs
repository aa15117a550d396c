//! Exact moments of the inputs: counts, sums and sums of squares, which add up over origins.

use std::ops::Range;

use bytes::Bytes;
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind, Version};
use psi_stats::{Fixed, Moments, MomentsError, Totals, ZScores};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink,
        facts::EpochFacts,
        value::{ValueError, encoded, message},
    },
    limits::WIDTH_MAX,
    proto,
    spec::EpochShape,
};

/// Exact moments of the inputs, 512 dimensions an entry.
pub const MOMENTS: Lane = Lane(proto::Lane::Moments as u32);

/// Input dimensions in one entry of [`MOMENTS`].
pub const DIMENSIONS_PER_ENTRY: usize = 512;

/// The dimensions of each moments entry of a field of the given width.
pub(crate) fn chunks(width: usize) -> impl Iterator<Item = Range<usize>> {
    (0..width).step_by(DIMENSIONS_PER_ENTRY).map(move |first| first..width.min(first + DIMENSIONS_PER_ENTRY))
}

/// The fold: what the other origins counted, an entry's dimensions each, and what the own one did.
#[derive(Clone, Debug)]
pub(crate) struct InputMoments {
    others: Vec<Totals>,
    /// `None` until the own origin takes a step: most fields of a node are stepped elsewhere.
    own: Option<Moments>,
    /// The latest write to the own moments that waits for a flush.
    dirty: Option<Version>,
}

/// The moments of a field's inputs, of all origins.
#[derive(Clone, Debug, PartialEq)]
pub struct MomentsView {
    /// Steps accepted in this epoch by all origins.
    pub count: u64,
    /// Exact moments, 512 dimensions each.
    pub parts: Vec<Moments>,
}

impl InputMoments {
    fn totals(width: usize) -> Vec<Totals> {
        chunks(width).map(|range| Totals::new(range.len())).collect()
    }

    /// Steps counted, of all origins.
    pub(crate) fn count(&self) -> u64 {
        let Some(first) = self.others.first() else { return 0 };
        let fits = self.own_chunk(0).is_some_and(|range| range.len() == first.width());
        let others = u64::try_from(first.count()).unwrap_or(u64::MAX);
        others.saturating_add(if fits { self.own_count() } else { 0 })
    }

    /// Steps counted by the own origin.
    pub(crate) fn own_count(&self) -> u64 {
        self.own.as_ref().map_or(0, Moments::count)
    }

    /// Takes in an input of the own origin, as part of the write `version`.
    ///
    /// # Errors
    /// If the width differs or the counts are full; nothing was changed then.
    pub(crate) fn absorb(&mut self, version: Version, input: &[Fixed]) -> Result<(), MomentsError> {
        self.own.get_or_insert_with(|| Moments::new(input.len())).add(input)?;
        self.dirty = Some(version);
        Ok(())
    }

    /// The moments of the first `width` dimensions, at most those of an entry, of all origins.
    pub(crate) fn first_dimensions(&self, width: usize) -> Option<Moments> {
        let first = self.joined().into_iter().next()?;
        let width = width.min(first.width());
        Some(first.dimensions(0..width))
    }

    /// How unlike all that came before it an input is. The exact read-outs of mean and deviation would give the same,
    /// and took two thirds of a step.
    pub(crate) fn z_scores(&self, input: &[Fixed]) -> ZScores {
        // As in the fold: a part of another width can't belong to this shape.
        let own = self.own.as_ref().filter(|own| own.width() == input.len());
        let mut parts = chunks(input.len()).zip(&self.others);
        let scores = parts.try_fold(ZScores::default(), |scores, (range, others)| {
            scores.with(&input[range.clone()], others, own.map(|own| (own, range.start)))
        });
        scores.unwrap_or_default()
    }

    /// The dimensions of an own entry; `None` if there are fewer.
    fn own_chunk(&self, index: usize) -> Option<Range<usize>> {
        chunks(self.own.as_ref()?.width()).nth(index)
    }

    fn joined(&self) -> Vec<Moments> {
        let joined = self.others.iter().enumerate().map(|(index, others)| {
            let mut totals = others.clone();
            if let Some((own, range)) = self.own.as_ref().zip(self.own_chunk(index)) {
                let _ = totals.add(&own.dimensions(range));
            }
            // A count beyond the limit can't be read out; nobody can step there, and nothing is better than wrong.
            totals.moments().unwrap_or_else(|_| Moments::new(others.width()))
        });
        joined.collect()
    }
}

impl Component for InputMoments {
    type Value = Moments;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(_: Lane) -> u64 {
        (WIDTH_MAX.div_ceil(DIMENSIONS_PER_ENTRY) - 1) as u64
    }

    fn decode(_: &Key, bytes: &Bytes) -> Result<Moments, ValueError> {
        let moments = Moments::decode(&message::<proto::MomentsValue>(bytes)?.sums)?;
        if moments.width() > DIMENSIONS_PER_ENTRY {
            return Err(ValueError::Dimensions(moments.width()));
        }
        Ok(moments)
    }

    fn encode(moments: &Moments) -> Bytes {
        encoded(&proto::MomentsValue { sums: moments.encode().into() })
    }

    fn clock(_: &Moments) -> Option<Clock> {
        None
    }

    /// Moments of another width can't belong to this shape; they don't count.
    fn change(&mut self, _: &Origin, key: &Key, moments: &Moments, direction: Direction) {
        let Some(totals) = usize::try_from(key.index).ok().and_then(|index| self.others.get_mut(index)) else { return };
        let _ = match direction {
            Direction::Put => totals.add(moments),
            Direction::Remove => totals.remove(moments),
        };
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &psi_replica::Scope) -> (Lane, u64, Moments) {
        // Now and then of a width that the field does not have.
        let width = 3 + usize::from(rng.chance(5));
        (MOMENTS, rng.below(2), rng.moments(width))
    }
}

impl EpochComponent for InputMoments {
    type View = MomentsView;

    fn new(shape: &EpochShape) -> Self {
        Self { others: Self::totals(shape.width), own: None, dirty: None }
    }

    fn restart(&mut self, shape: &EpochShape, _: Option<&Origin>) {
        self.others = Self::totals(shape.width);
    }

    fn view(&self, _: &EpochFacts<'_>) -> MomentsView {
        MomentsView { count: self.count(), parts: self.joined() }
    }

    /// The sums. Those that can't be read out, beyond the count limit, go.
    fn write_base(&self, _: &EpochFacts<'_>, base: &mut BaseSink<'_>) {
        for (index, totals) in (0..).zip(&self.others) {
            if let Some(moments) = totals.moments().ok().filter(|moments| !moments.is_empty()) {
                base.put(MOMENTS, index, Self::encode(&moments));
            }
        }
    }

    fn flush(&mut self, _: &Origin, sink: &mut FlushSink) {
        let Some((version, own)) = self.dirty.take().zip(self.own.as_ref()) else { return };
        for (index, range) in (0..).zip(chunks(own.width())) {
            sink.push(MOMENTS, index, version, Self::encode(&own.dimensions(range)));
        }
    }

    fn forget_pending(&mut self) {
        self.dirty = None;
    }

    fn merge_own(&mut self, copy: Self, _: &Origin, version: Version) {
        self.own = copy.own;
        self.dirty = Some(version);
    }
}
