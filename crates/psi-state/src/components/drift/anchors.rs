//! Where the buckets of a field's inputs lie: an event, of which the first by (clock, origin) counts.
//!
//! It is written once 256 inputs are counted, by an origin that took enough of them to see which columns go together. The
//! first 64 columns of an input are watched.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind, Version};
use psi_stats::{
    Fixed, Moments,
    drift::{ANCHOR_COLUMNS_MAX, ANCHOR_INPUTS, Anchor, ColumnAnchor, PairAnchor},
};

use super::values::PlacedAnchor;
#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink,
        facts::EpochFacts,
        moment::{Moment, author_of},
        value::{ValueError, author, message},
    },
    proto,
    spec::EpochShape,
};

/// Where buckets lie.
pub const ANCHOR: Lane = Lane(proto::Lane::Anchor as u32);

/// An origin needs so many inputs of its own to see which columns go together.
const SAMPLE_MIN: usize = 64;

/// What an origin writes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AnchorValue {
    placed: Arc<PlacedAnchor>,
    /// In the base, whose it is.
    author: Option<Origin>,
}

/// The fold: the anchors of all origins, the own one among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Anchors {
    known: BTreeMap<Moment, Arc<PlacedAnchor>>,
    /// Columns of an input that are watched. An anchor of others can't belong to this shape.
    width: usize,
    /// The moment of the own one.
    own: Option<Moment>,
    /// Own inputs, until there is an anchor.
    sample: Vec<Vec<Fixed>>,
    dirty: Option<Version>,
}

/// The columns of an input that are watched.
pub(crate) fn watched<T>(input: &[T]) -> &[T] {
    &input[..input.len().min(ANCHOR_COLUMNS_MAX)]
}

impl Anchors {
    /// The anchor that counts.
    pub(crate) fn first(&self) -> Option<&Arc<PlacedAnchor>> {
        self.first_known().map(|(_, placed)| placed)
    }

    fn first_known(&self) -> Option<(&Moment, &Arc<PlacedAnchor>)> {
        self.known.iter().find(|(_, placed)| placed.anchor.width() == self.width)
    }

    /// Takes note of an own input; anchors the field, as part of the write `version`, once enough are known. `moments` are
    /// of all inputs that are counted.
    pub(crate) fn absorb(
        &mut self,
        local: &Moment,
        version: Version,
        input: &[Fixed],
        moments: impl FnOnce() -> Option<Moments>,
    ) {
        if self.first().is_some() {
            return;
        }
        if self.sample.len() < ANCHOR_INPUTS {
            self.sample.push(watched(input).to_vec());
        }
        if self.sample.len() < SAMPLE_MIN {
            return;
        }
        let Some(moments) = moments() else { return };
        if let Some(anchor) = Anchor::around(&moments, &self.sample) {
            self.known.insert(local.clone(), Arc::new(PlacedAnchor::new(local.0, anchor)));
            self.own = Some(local.clone());
            self.dirty = Some(version);
            self.sample = Vec::new();
        }
    }

    fn own_value(&self) -> Option<AnchorValue> {
        let placed = Arc::clone(self.known.get(self.own.as_ref()?)?);
        Some(AnchorValue { placed, author: None })
    }
}

impl Component for Anchors {
    type Value = AnchorValue;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(_: Lane) -> u64 {
        0
    }

    fn decode(_: &Key, bytes: &Bytes) -> Result<AnchorValue, ValueError> {
        let proto::AnchorValue { clock, columns, pairs, author: writer } = message(bytes)?;
        let clock = clock.ok_or(ValueError::NoClock)?.into();
        let columns = columns.iter().map(|column| column_anchor(&column.center, column.unit_bits));
        let pairs = pairs.iter().map(|pair| {
            let proto::PairAnchor { first, second, factor, center, unit_bits } = pair;
            let columns = (index(*first), index(*second));
            Ok(PairAnchor { columns, factor: *factor, anchor: column_anchor(center, *unit_bits)? })
        });
        let anchor = Anchor::new(columns.collect::<Result<_, _>>()?, pairs.collect::<Result<_, ValueError>>()?)?;
        Ok(AnchorValue { placed: Arc::new(PlacedAnchor::new(clock, anchor)), author: author(writer)? })
    }

    fn encode(value: &AnchorValue) -> Bytes {
        value.placed.encode(value.author.as_ref())
    }

    fn clock(value: &AnchorValue) -> Option<Clock> {
        Some(value.placed.clock)
    }

    fn change(&mut self, origin: &Origin, _: &Key, value: &AnchorValue, direction: Direction) {
        let place = (value.placed.clock, author_of(origin, value.author.as_ref()).clone());
        match direction {
            Direction::Put => {
                self.sample = Vec::new();
                self.known.insert(place, Arc::clone(&value.placed))
            }
            Direction::Remove => self.known.remove(&place),
        };
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &psi_replica::Scope) -> (Lane, u64, AnchorValue) {
        let author = rng.chance(30).then(|| rng.author(0));
        (ANCHOR, 0, AnchorValue { placed: sample_anchor(rng), author })
    }
}

/// One of a few anchors, so that slots and baselines are of the one that counts.
#[cfg(test)]
pub(crate) fn sample_anchor(rng: &mut SampleRng) -> Arc<PlacedAnchor> {
    let column = |center: i128| ColumnAnchor { center: center << 50, unit_bits: 50 };
    let pair = PairAnchor { columns: (0, 2), factor: -4096, anchor: ColumnAnchor { center: 7, unit_bits: 8 } };
    // Now and then one before all others, which counts then.
    let early = rng.chance(5).then(|| rng.below(10_000));
    let which = rng.below(3);
    let anchor = Anchor::new([0, 1, -2].map(|at| column(at + i128::from(which))).into(), vec![pair]);
    // At a second of its own, so that equal clocks are equal anchors.
    let clock = Clock { wall_ms: early.unwrap_or(10_000 + 1_000 * which), counter: 0 };
    Arc::new(PlacedAnchor::new(clock, anchor.expect("buckets where inputs can be")))
}

impl EpochComponent for Anchors {
    /// When the buckets were laid, and by whom.
    type View = Option<Moment>;

    fn new(shape: &EpochShape) -> Self {
        Self { width: shape.width.min(ANCHOR_COLUMNS_MAX), ..Self::default() }
    }

    fn restart(&mut self, shape: &EpochShape, kept: Option<&Origin>) {
        self.width = shape.width.min(ANCHOR_COLUMNS_MAX);
        self.known.retain(|(_, writer), _| Some(writer) == kept);
        self.sample = Vec::new();
    }

    fn view(&self, _: &EpochFacts<'_>) -> Option<Moment> {
        self.first_known().map(|(moment, _)| moment.clone())
    }

    /// The first, and whose it is.
    fn write_base(&self, _: &EpochFacts<'_>, base: &mut BaseSink<'_>) {
        if let Some(((_, writer), placed)) = self.first_known() {
            base.put(ANCHOR, 0, placed.encode(Some(writer)));
        }
    }

    fn flush(&mut self, _: &Origin, sink: &mut FlushSink) {
        if let (Some(version), Some(value)) = (self.dirty.take(), self.own_value()) {
            sink.push(ANCHOR, 0, version, Self::encode(&value));
        }
    }

    fn forget_pending(&mut self) {
        self.dirty = None;
    }

    fn merge_own(&mut self, copy: Self, _: &Origin, version: Version) {
        let before = self.own.take();
        if before != copy.own {
            if let Some(value) = copy.own_value() {
                self.known.extend(copy.own.clone().map(|moment| (moment, value.placed)));
            }
            self.dirty = Some(version);
        }
        self.own = copy.own;
        self.sample = if self.first().is_some() { Vec::new() } else { copy.sample };
    }
}

fn index(column: u32) -> usize {
    usize::try_from(column).unwrap_or(usize::MAX)
}

fn column_anchor(center: &[u8], unit_bits: u32) -> Result<ColumnAnchor, ValueError> {
    let center = center.try_into().map_err(|_| ValueError::Number)?;
    Ok(ColumnAnchor { center: i128::from_le_bytes(center), unit_bits })
}
