//! What a field's inputs are compared with: set by callers, or by itself once there are enough inputs.
//!
//! Of those that callers set, the last writer's holds. Without one, the first that came by itself does, of those of the
//! anchor that holds. A baseline is frozen: it carries its counts, and how they wander.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind, Version};
use psi_stats::drift::{Histogram, Null, PARTS_MIN};

use super::{
    levels::{LEVELS, Span},
    values::{AnchorId, BaselineCounts, BaselineTitle, BaselineValue, CurrentBaseline},
};
#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink,
        facts::EpochFacts,
        label::Label,
        moment::{Moment, author_of},
        value::{ValueError, at_most, author, author_message, encoded, message},
    },
    proto,
    spec::EpochShape,
};

/// What inputs are compared with.
pub const BASELINE: Lane = Lane(proto::Lane::Baseline as u32);

/// Where an origin keeps the one that came by itself, and the one that a caller set.
const AUTOMATIC: u64 = 0;
const BY_CALLER: u64 = 1;
/// The base keeps as many that came by themselves, each of another anchor.
const ANCHORS_KEPT: u64 = 8;
const WINDOWS_MAX: usize = 2;
/// Numbers of a null on the wire.
const NULL_NUMBERS: usize = 3;

/// The fold: what all origins wrote, the own one among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Baselines {
    automatic: BTreeMap<Moment, Arc<BaselineValue>>,
    by_caller: BTreeMap<Moment, Arc<BaselineValue>>,
    own: BTreeMap<u64, (Moment, Version)>,
    /// Indexes of own ones that wait for a flush.
    dirty: Vec<u64>,
}

impl Baselines {
    /// The one that holds where buckets lie as `anchor` says.
    pub(crate) fn current(&self, anchor: Option<AnchorId>) -> CurrentBaseline {
        let is_of = |value: &BaselineValue| value.counts.as_ref().map(|counts| counts.anchor) == anchor;
        if let Some((moment, value)) = self.by_caller.last_key_value() {
            if value.counts.is_none() {
                return CurrentBaseline::Cleared;
            }
            if is_of(value) {
                return CurrentBaseline::Set(moment.clone(), Arc::clone(value));
            }
        }
        let automatic = self.automatic.iter().find(|(_, value)| is_of(value));
        automatic
            .map_or(CurrentBaseline::None, |(moment, value)| CurrentBaseline::Set(moment.clone(), Arc::clone(value)))
    }

    /// Writes an own baseline as part of the write `version`.
    pub(crate) fn write(&mut self, local: &Moment, version: Version, is_automatic: bool, value: BaselineValue) {
        let index = if is_automatic { AUTOMATIC } else { BY_CALLER };
        if let Some((before, _)) = self.own.insert(index, (local.clone(), version)) {
            self.fold_mut(index).remove(&before);
        }
        self.fold_mut(index).insert(local.clone(), Arc::new(value));
        if !self.dirty.contains(&index) {
            self.dirty.push(index);
        }
    }

    fn fold_mut(&mut self, index: u64) -> &mut BTreeMap<Moment, Arc<BaselineValue>> {
        if index == BY_CALLER { &mut self.by_caller } else { &mut self.automatic }
    }

    fn own_value(&self, index: u64) -> Option<(&Moment, Version, &Arc<BaselineValue>)> {
        let (moment, version) = self.own.get(&index)?;
        let fold = if index == BY_CALLER { &self.by_caller } else { &self.automatic };
        Some((moment, *version, fold.get(moment)?))
    }
}

impl Component for Baselines {
    type Value = Arc<BaselineValue>;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(_: Lane) -> u64 {
        ANCHORS_KEPT
    }

    fn decode(_: &Key, bytes: &Bytes) -> Result<Arc<BaselineValue>, ValueError> {
        let value: proto::BaselineValue = message(bytes)?;
        let counts = if value.cleared { None } else { Some(decode_counts(&value)?) };
        let proto::BaselineValue { clock, version, source, set_by, replaced_severity, author: writer, .. } = value;
        let title =
            BaselineTitle { version: Label::new(version)?, source: Label::new(source)?, set_by: Label::new(set_by)? };
        let (clock, author) = (clock.ok_or(ValueError::NoClock)?.into(), author(writer)?);
        Ok(Arc::new(BaselineValue { clock, counts, title, replaced_severity, author }))
    }

    fn encode(value: &Arc<BaselineValue>) -> Bytes {
        encode(value, value.author.as_ref())
    }

    fn clock(value: &Arc<BaselineValue>) -> Option<Clock> {
        Some(value.clock)
    }

    /// No live origin has more than the first two.
    fn change(&mut self, origin: &Origin, key: &Key, value: &Arc<BaselineValue>, direction: Direction) {
        if key.index > BY_CALLER && !origin.is_base() {
            return;
        }
        let place = (value.clock, author_of(origin, value.author.as_ref()).clone());
        let fold = self.fold_mut(key.index);
        match direction {
            Direction::Put => {
                // Whose it is, its place says.
                let value = BaselineValue { author: None, ..BaselineValue::clone(value) };
                fold.insert(place, Arc::new(value))
            }
            Direction::Remove => fold.remove(&place),
        };
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &psi_replica::Scope) -> (Lane, u64, Arc<BaselineValue>) {
        let placed = super::anchors::sample_anchor(rng);
        let mut histogram = Histogram::new(&placed.anchor);
        for _ in 0..200 {
            let input = super::slots::sample_input(rng);
            histogram.add(&placed.anchor, &input).expect("three columns");
        }
        let null = Null { mean: 9.0 + rng.unit(), freedom: 4.0, parts: 24.0 };
        let last = Span::of(0, rng.clock().second());
        let counts = BaselineCounts {
            anchor: placed.id,
            first: Span { number: last.number - 23, ..last },
            last,
            inputs: histogram.count(),
            histogram: histogram.encode().into(),
            windows: vec![(3, vec![null; 4]), (1, vec![null; 4])],
        };
        let label = |text: &str| Label::new(text).expect("one line");
        let title = BaselineTitle { version: label("v1"), source: label("slots"), set_by: label("somebody") };
        let value = BaselineValue {
            clock: rng.clock(),
            counts: Some(counts).filter(|_| rng.chance(80)),
            title,
            replaced_severity: 490_000,
            author: rng.chance(30).then(|| rng.author(0)),
        };
        // One that came by itself was not cleared, and no origin of the laws writes two anchors' at one moment.
        let index = if value.counts.is_some() { rng.below(2) } else { BY_CALLER };
        (BASELINE, index, Arc::new(value))
    }
}

impl EpochComponent for Baselines {
    /// What it is, and who set it, of which the verdict is made; see the view of slots.
    type View = CurrentBaselineView;

    fn new(_: &EpochShape) -> Self {
        Self::default()
    }

    fn restart(&mut self, _: &EpochShape, kept: Option<&Origin>) {
        for fold in [&mut self.automatic, &mut self.by_caller] {
            fold.retain(|(_, writer), _| Some(writer) == kept);
        }
    }

    fn view(&self, facts: &EpochFacts<'_>) -> CurrentBaselineView {
        match &facts.drift.baseline {
            CurrentBaseline::None => CurrentBaselineView::None,
            CurrentBaseline::Cleared => CurrentBaselineView::Cleared,
            CurrentBaseline::Set(moment, value) => BaselineView::of(moment, value),
        }
    }

    /// The last that a caller set, and of each anchor the first that came by itself; whose they are.
    fn write_base(&self, facts: &EpochFacts<'_>, base: &mut BaseSink<'_>) {
        if let Some(((_, writer), value)) = self.by_caller.last_key_value() {
            base.put(BASELINE, BY_CALLER, encode(value, Some(writer)));
        }
        let mut firsts = BTreeMap::new();
        for ((_, writer), value) in &self.automatic {
            let anchor = value.counts.as_ref().map(|counts| counts.anchor);
            // That of the anchor that counts comes first.
            let is_other = anchor != facts.drift.anchor.map(|placed| placed.id);
            firsts.entry((is_other, anchor)).or_insert((writer, value));
        }
        let indexes = [AUTOMATIC].into_iter().chain(BY_CALLER + 1..=ANCHORS_KEPT);
        for (index, (writer, value)) in indexes.zip(firsts.into_values()) {
            base.put(BASELINE, index, encode(value, Some(writer)));
        }
    }

    fn flush(&mut self, _: &Origin, sink: &mut FlushSink) {
        for index in std::mem::take(&mut self.dirty) {
            if let Some((_, version, value)) = self.own_value(index) {
                sink.push(BASELINE, index, version, encode(value, None));
            }
        }
    }

    fn forget_pending(&mut self) {
        self.dirty.clear();
    }

    fn merge_own(&mut self, copy: Self, local: &Origin, version: Version) {
        for index in &copy.dirty {
            if let Some((moment, _, value)) = copy.own_value(*index) {
                let value = BaselineValue::clone(value);
                self.write(&(moment.0, local.clone()), version, *index == AUTOMATIC, value);
            }
        }
    }
}

/// The baseline that holds, for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum CurrentBaselineView {
    /// Nobody set one, and none has come by itself.
    #[default]
    None,
    /// A caller took it away.
    Cleared,
    /// This one.
    Set(BaselineView),
}

impl CurrentBaselineView {
    /// The baseline, if there is one.
    #[must_use]
    pub fn set(&self) -> Option<&BaselineView> {
        match self {
            Self::Set(baseline) => Some(baseline),
            Self::None | Self::Cleared => None,
        }
    }
}

/// A baseline, and who set it.
#[derive(Clone, Debug, PartialEq)]
pub struct BaselineView {
    /// What people call it, and who set it.
    pub title: BaselineTitle,
    /// When it was set.
    pub clock: Clock,
    /// By which origin.
    pub origin: Origin,
    /// Its inputs.
    pub inputs: u64,
    /// The second, since the Unix epoch, with which it begins.
    pub first_second: u64,
    /// The second with which it ends.
    pub last_second: u64,
    /// Seconds in a span that inputs are counted by.
    pub span_seconds: u64,
    /// Spans in each window that is compared with it, the longest first.
    pub windows: Vec<u64>,
    /// The severity that the field had when it was set.
    pub replaced_severity: f64,
}

impl BaselineView {
    fn of((clock, origin): &Moment, value: &BaselineValue) -> CurrentBaselineView {
        let Some(counts) = &value.counts else { return CurrentBaselineView::Cleared };
        let span_seconds = LEVELS[counts.first.level].seconds;
        CurrentBaselineView::Set(Self {
            title: value.title.clone(),
            clock: *clock,
            origin: origin.clone(),
            inputs: counts.inputs,
            first_second: counts.first.number.saturating_mul(span_seconds),
            last_second: counts.last.last_second(),
            span_seconds,
            windows: counts.windows.iter().map(|(spans, _)| *spans).collect(),
            replaced_severity: f64::from(value.replaced_severity) / 1e6,
        })
    }
}

fn encode(value: &BaselineValue, author: Option<&Origin>) -> Bytes {
    let BaselineValue { clock, counts, title, replaced_severity, author: _ } = value;
    let text = |label: &Label| label.as_str().to_owned();
    let mut message = proto::BaselineValue {
        clock: Some((*clock).into()),
        cleared: counts.is_none(),
        version: text(&title.version),
        source: text(&title.source),
        set_by: text(&title.set_by),
        replaced_severity: *replaced_severity,
        author: author_message(author),
        ..proto::BaselineValue::default()
    };
    if let Some(BaselineCounts { anchor, first, last, histogram, inputs: _, windows }) = counts {
        message.anchor = anchor.0;
        message.level = u32::try_from(first.level).unwrap_or(u32::MAX);
        (message.first, message.last) = (first.number, last.number);
        message.histogram = histogram.clone();
        let numbers = |null: &Null| [null.mean, null.freedom, null.parts];
        let window = |(spans, nulls): &(u64, Vec<Null>)| proto::BaselineWindow {
            spans: *spans,
            nulls: nulls.iter().flat_map(numbers).collect(),
        };
        message.windows = windows.iter().map(window).collect();
    }
    encoded(&message)
}

fn decode_counts(value: &proto::BaselineValue) -> Result<BaselineCounts, ValueError> {
    let level = usize::try_from(value.level).ok().filter(|level| *level < LEVELS.len()).ok_or(ValueError::Spans)?;
    if value.last < value.first || value.last - value.first >= LEVELS[level].kept {
        return Err(ValueError::Spans);
    }
    let longest = ((value.last - value.first + 1) / PARTS_MIN as u64).max(1);
    let histogram = Histogram::decode(&value.histogram)?;
    at_most(value.windows.len(), WINDOWS_MAX)?;
    let windows = value.windows.iter().map(|window| {
        if !(1..=longest).contains(&window.spans) {
            return Err(ValueError::Spans);
        }
        let want = histogram.columns().len();
        let nulls = window.nulls.chunks(NULL_NUMBERS).map(|numbers| match *numbers {
            [mean, freedom, parts] => Some(Null { mean, freedom, parts }).filter(Null::is_possible),
            _ => None,
        });
        let nulls: Vec<Null> = nulls.collect::<Option<_>>().ok_or(ValueError::Number)?;
        if nulls.len() == want { Ok((window.spans, nulls)) } else { Err(ValueError::Dimensions(nulls.len())) }
    });
    let span = |number| Span { level, number };
    Ok(BaselineCounts {
        anchor: AnchorId(value.anchor),
        first: span(value.first),
        last: span(value.last),
        inputs: histogram.count(),
        windows: windows.collect::<Result<_, _>>()?,
        histogram: value.histogram.clone(),
    })
}
