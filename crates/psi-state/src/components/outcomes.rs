//! How steps went, as their callers say: exact counts by which a version of a model is judged.
//!
//! Three kinds of entries: the total since the epoch began, and for one window of a rollout, by 64 buckets of keys, counts
//! and sums of what its gates measure. An origin counts in its latest window only, and of all origins only the entries of
//! the greatest window count.
//!
//! Memory: a field without outcomes has three empty places here. Of the other origins one sum is kept for the total, and
//! one for each bucket of each window that some origin still holds: each holds at most eight entries of eight buckets, 80
//! bytes a bucket, and of each measure as many of 48 bytes. The own share takes 4 KiB from the first step in a window, and
//! 3 KiB a measure.

mod sums;
mod window_sums;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind, Version};
use psi_rollout::{
    BUCKETS, MEASURES_MAX, Measure, MeasuredTally, Outcome, Outcomes, OutcomesError, RolloutId, Tally, WindowTag,
};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink,
        dirty_slots::DirtySlots,
        facts::EpochFacts,
        value::{ValueError, encoded, message},
    },
    proto,
    spec::EpochShape,
};
use sums::{
    BUCKETS_PER_ENTRY, BucketTallies, ENTRIES, MeasuredTallies, Sums, WideTally, measure_message, measured_tally,
    message_of, tally_of,
};
use window_sums::{WindowSums, change_chunk, is_measured};

/// Outcomes of all steps of an origin.
pub const OUTCOMES: Lane = Lane(proto::Lane::Outcomes as u32);
/// Outcomes of its steps in a window of a rollout, by buckets of keys.
pub const OUTCOME_WINDOWS: Lane = Lane(proto::Lane::OutcomeWindows as u32);
/// What its steps in that window measured.
pub const MEASURE_WINDOWS: Lane = Lane(proto::Lane::MeasureWindows as u32);

/// How a step went, and where that counts beside the total.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeReport {
    /// How it went, if its caller says so.
    pub outcome: Option<Outcome>,
    /// The window of the rollout that is under way, and the bucket of the step's key, 0 to 63.
    pub window: Option<(WindowTag, u8)>,
    /// What the gates of that rollout measure.
    pub measures: Arc<[Measure]>,
}

/// What a step measures, by the places of measures in the plan.
pub(crate) type MeasuredUnits = [Option<i64>; MEASURES_MAX];

/// An entry of either lane.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OutcomesValue {
    Total(Tally),
    Window(WindowTag, Box<BucketTallies>),
    Measures(WindowTag, Box<MeasuredTallies>),
}

/// The fold: what the other origins counted, and what the own one did.
#[derive(Clone, Debug)]
pub(crate) struct StepOutcomes {
    /// `None` where no other origin counts any.
    total: Option<Box<WideTally>>,
    windows: BTreeMap<WindowTag, WindowSums>,
    own: Option<Box<OwnOutcomes>>,
    dirty: DirtySlots,
}

/// What the own origin counted.
#[derive(Clone, Debug, Default)]
struct OwnOutcomes {
    total: Tally,
    window: Option<(WindowTag, Outcomes)>,
}

/// How the steps of a field went, of all origins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutcomesView {
    /// All steps with an outcome in this epoch. Of nothing, should there be more than any field can count.
    pub total: Tally,
    /// The greatest window that any origin counts in.
    latest: Option<(WindowTag, Outcomes)>,
}

impl OutcomesView {
    /// What was counted in a window; `None` if nobody counted in it, or somebody counts in a later one by now.
    #[must_use]
    pub fn window(&self, tag: &WindowTag) -> Option<&Outcomes> {
        self.latest.as_ref().filter(|(latest, _)| latest == tag).map(|(_, outcomes)| outcomes)
    }

    /// The greatest window that any origin counts in, and what was counted in it.
    #[must_use]
    pub fn latest(&self) -> Option<(&WindowTag, &Outcomes)> {
        self.latest.as_ref().map(|(tag, outcomes)| (tag, outcomes))
    }
}

impl OwnOutcomes {
    /// Counts a step; returns the entries that it counts in.
    fn count(&mut self, report: &OutcomeReport, measured: &MeasuredUnits) -> Result<Vec<(Lane, u64)>, OutcomesError> {
        let mut changed = Vec::new();
        if let Some(outcome) = report.outcome {
            self.total.count(outcome)?;
            changed.push((OUTCOMES, 0));
        }
        let Some((tag, bucket)) = &report.window else { return Ok(changed) };
        if self.window.as_ref().is_none_or(|(current, _)| current < tag) {
            self.window = Some((tag.clone(), Outcomes::default()));
        }
        let Some((_, outcomes)) = self.window.as_mut().filter(|(current, _)| current == tag) else {
            return Ok(changed);
        };
        let index = usize::from(*bucket) % BUCKETS / BUCKETS_PER_ENTRY;
        if let Some(outcome) = report.outcome {
            outcomes.add(*bucket, outcome)?;
            changed.push((OUTCOME_WINDOWS, index as u64));
        }
        if !report.measures.is_empty() {
            outcomes.add_measured(*bucket, &measured[..report.measures.len().min(MEASURES_MAX)])?;
            let places = measured.iter().enumerate().filter(|(_, units)| units.is_some());
            changed.extend(places.map(|(place, _)| (MEASURE_WINDOWS, (place * ENTRIES + index) as u64)));
        }
        Ok(changed)
    }

    /// The value of an entry, if there is anything in it.
    fn value(&self, lane: Lane, index: u64) -> Option<OutcomesValue> {
        if lane == OUTCOMES {
            return Some(OutcomesValue::Total(self.total));
        }
        let ((tag, outcomes), index) = (self.window.as_ref()?, usize::try_from(index).ok()?);
        if lane == MEASURE_WINDOWS {
            let buckets = outcomes.measured().get(index / ENTRIES)?;
            let tallies = buckets.as_chunks::<BUCKETS_PER_ENTRY>().0.get(index % ENTRIES)?;
            return is_measured(tallies).then(|| OutcomesValue::Measures(tag.clone(), Box::new(*tallies)));
        }
        let tallies = outcomes.buckets().as_chunks::<BUCKETS_PER_ENTRY>().0.get(index)?;
        is_any(tallies).then(|| OutcomesValue::Window(tag.clone(), Box::new(*tallies)))
    }
}

/// Whether any step is counted.
fn is_any(tallies: &[Tally]) -> bool {
    tallies.iter().any(|tally| tally.steps > 0)
}

impl StepOutcomes {
    /// Counts how an own step went and what it measured, as part of the write `version`.
    ///
    /// # Errors
    /// If the counts are full.
    pub(crate) fn absorb(
        &mut self,
        version: Version,
        report: &OutcomeReport,
        measured: &MeasuredUnits,
    ) -> Result<(), OutcomesError> {
        let changed = self.own.get_or_insert_default().count(report, measured)?;
        self.dirty.record(version, changed);
        Ok(())
    }

    /// The sums of all origins.
    fn joined_total(&self) -> Option<Tally> {
        let mut total = self.total.as_deref().copied().unwrap_or_default();
        if let Some(own) = &self.own {
            total.put(&own.total);
        }
        total.tally()
    }

    /// The greatest window of all origins, and what was counted in it. Counts beyond the limit can't be read out, and
    /// nothing is better than wrong.
    fn latest(&self) -> Option<(WindowTag, Outcomes)> {
        let others = self.windows.last_key_value();
        let own = self.own.as_ref().and_then(|own| own.window.as_ref());
        let tag = others.map(|(tag, _)| tag).into_iter().chain(own.map(|(tag, _)| tag)).max()?;
        let (none, own) = (WindowSums::default(), own.filter(|(own, _)| own == tag).map(|(_, outcomes)| outcomes));
        let others = others.filter(|(other, _)| *other == tag).map_or(&none, |(_, sums)| sums);
        Some((tag.clone(), others.joined(own)?))
    }

    fn change_total(&mut self, tally: &Tally, direction: Direction) {
        let total = self.total.get_or_insert_default();
        match direction {
            Direction::Put => total.put(tally),
            Direction::Remove => total.remove(tally),
        }
        if total.is_empty() {
            self.total = None;
        }
    }

    fn change_window(&mut self, tag: &WindowTag, change: impl FnOnce(&mut WindowSums)) {
        let sums = self.windows.entry(tag.clone()).or_default();
        change(sums);
        if sums.is_empty() {
            self.windows.remove(tag);
        }
    }
}

/// The value of an entry in a window: its eight tallies, if steps can come to them.
fn window_tallies<M, T: Copy>(
    key: &Key,
    messages: Vec<M>,
    (tally_of, fault_of): (impl Fn(M) -> T, impl Fn(&T) -> Option<&'static str>),
    is_any: impl Fn(&[T]) -> bool,
) -> Result<Box<[T; BUCKETS_PER_ENTRY]>, ValueError> {
    let got = messages.len();
    let messages: Result<[_; BUCKETS_PER_ENTRY], _> = messages.try_into();
    let tallies = messages.map_err(|_| ValueError::Buckets { got, want: BUCKETS_PER_ENTRY })?.map(tally_of);
    if let Some((place, fault)) = (0..).zip(&tallies).find_map(|(place, tally)| Some((place, fault_of(tally)?))) {
        let bucket = key.index % ENTRIES as u64 * BUCKETS_PER_ENTRY as u64 + place;
        return Err(ValueError::Tally { place: format!("bucket {bucket}"), fault });
    }
    if is_any(&tallies) { Ok(Box::new(tallies)) } else { Err(ValueError::NoOutcomes) }
}

fn window_tag(begin: u64, step: u32, rollout: &str) -> Result<WindowTag, ValueError> {
    let step = u8::try_from(step).map_err(|_| ValueError::ScheduleStep(step))?;
    Ok(WindowTag { begin, step, rollout: RolloutId::new(rollout)? })
}

impl Component for StepOutcomes {
    type Value = OutcomesValue;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(lane: Lane) -> u64 {
        match lane {
            OUTCOMES => 0,
            MEASURE_WINDOWS => (MEASURES_MAX * ENTRIES - 1) as u64,
            _ => (ENTRIES - 1) as u64,
        }
    }

    fn decode(key: &Key, bytes: &Bytes) -> Result<OutcomesValue, ValueError> {
        if key.lane == OUTCOMES {
            let total = tally_of(message::<proto::OutcomesValue>(bytes)?.total.ok_or(ValueError::NoOutcomes)?);
            let of_total = |fault| ValueError::Tally { place: "the total".to_owned(), fault };
            total.fault().map_or(Ok(()), |fault| Err(of_total(fault)))?;
            return if is_any(&[total]) { Ok(OutcomesValue::Total(total)) } else { Err(ValueError::NoOutcomes) };
        }
        if key.lane == MEASURE_WINDOWS {
            let proto::MeasureWindowValue { begin, step, rollout, buckets } = message(bytes)?;
            let tallies = window_tallies(key, buckets, (measured_tally, MeasuredTally::fault), is_measured)?;
            return Ok(OutcomesValue::Measures(window_tag(begin, step, &rollout)?, tallies));
        }
        let proto::OutcomeWindowValue { begin, step, rollout, buckets } = message(bytes)?;
        let tallies = window_tallies(key, buckets, (tally_of, Tally::fault), is_any)?;
        Ok(OutcomesValue::Window(window_tag(begin, step, &rollout)?, tallies))
    }

    fn encode(value: &OutcomesValue) -> Bytes {
        match value {
            OutcomesValue::Total(total) => encoded(&proto::OutcomesValue { total: Some(message_of(total)) }),
            OutcomesValue::Window(WindowTag { begin, step, rollout }, tallies) => {
                let (begin, step, rollout) = (*begin, u32::from(*step), rollout.to_string());
                let buckets = tallies.iter().map(message_of).collect();
                encoded(&proto::OutcomeWindowValue { begin, step, rollout, buckets })
            }
            OutcomesValue::Measures(WindowTag { begin, step, rollout }, tallies) => {
                let (begin, step, rollout) = (*begin, u32::from(*step), rollout.to_string());
                let buckets = tallies.iter().map(measure_message).collect();
                encoded(&proto::MeasureWindowValue { begin, step, rollout, buckets })
            }
        }
    }

    fn clock(_: &OutcomesValue) -> Option<Clock> {
        None
    }

    fn change(&mut self, _: &Origin, key: &Key, value: &OutcomesValue, direction: Direction) {
        match value {
            OutcomesValue::Total(total) => self.change_total(total, direction),
            OutcomesValue::Window(tag, tallies) => {
                self.change_window(tag, |sums| change_chunk(&mut sums.outcomes, key.index, tallies, direction));
            }
            OutcomesValue::Measures(tag, tallies) => {
                self.change_window(tag, |sums| change_chunk(&mut sums.measures, key.index, tallies, direction));
            }
        }
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &psi_replica::Scope) -> (Lane, u64, OutcomesValue) {
        let rollout = RolloutId::new(["r-1", "r-2"][usize::from(rng.chance(20))]).expect("a name");
        let step = u8::try_from(rng.below(2)).unwrap_or(0);
        let tag = WindowTag { begin: rng.below(2), step, rollout };
        let bucket = |rng: &mut SampleRng| usize::try_from(rng.below(BUCKETS_PER_ENTRY as u64)).unwrap_or(0);
        if rng.chance(30) {
            let mut tallies = MeasuredTallies::default();
            let units = i128::from(rng.below(4_000)) - 2_000;
            let place = bucket(rng);
            tallies[place] = MeasuredTally { steps: 1, sum: units, squares: units.unsigned_abs().pow(2) };
            let index = rng.below((MEASURES_MAX * ENTRIES) as u64);
            return (MEASURE_WINDOWS, index, OutcomesValue::Measures(tag, tallies.into()));
        }
        let mut tallies = BucketTallies::default();
        for _ in 0..=rng.below(4) {
            let latency = rng.chance(80).then(|| psi_rollout::Latency::from_ms(1e3 * rng.unit()).expect("short"));
            let outcome = Outcome { error: rng.chance(30), latency };
            let bucket = bucket(rng);
            tallies[bucket].count(outcome).expect("few");
        }
        if rng.chance(50) {
            let total = tallies.into_iter().find(|tally| tally.steps > 0).expect("a step is counted");
            return (OUTCOMES, 0, OutcomesValue::Total(total));
        }
        (OUTCOME_WINDOWS, rng.below(ENTRIES as u64), OutcomesValue::Window(tag, tallies.into()))
    }
}

impl EpochComponent for StepOutcomes {
    type View = OutcomesView;

    fn new(_: &EpochShape) -> Self {
        Self { total: None, windows: BTreeMap::new(), own: None, dirty: DirtySlots::default() }
    }

    fn restart(&mut self, _: &EpochShape, _: Option<&Origin>) {
        (self.total, self.windows) = (None, BTreeMap::new());
    }

    fn view(&self, _: &EpochFacts<'_>) -> OutcomesView {
        OutcomesView { total: self.joined_total().unwrap_or_default(), latest: self.latest() }
    }

    /// The total, and the greatest window: no older one shows again, whatever live origins write. What can't be read out,
    /// beyond the limit, goes.
    fn write_base(&self, _: &EpochFacts<'_>, base: &mut BaseSink<'_>) {
        if let Some(total) = self.total.as_ref().and_then(|total| total.tally()) {
            base.put(OUTCOMES, 0, Self::encode(&OutcomesValue::Total(total)));
        }
        let Some((tag, sums)) = self.windows.last_key_value() else { return };
        for (index, chunk) in &sums.outcomes {
            if let Some(tallies) = chunk.tallies() {
                base.put(OUTCOME_WINDOWS, *index, Self::encode(&OutcomesValue::Window(tag.clone(), tallies.into())));
            }
        }
        for (index, chunk) in &sums.measures {
            if let Some(tallies) = chunk.tallies() {
                base.put(MEASURE_WINDOWS, *index, Self::encode(&OutcomesValue::Measures(tag.clone(), tallies.into())));
            }
        }
    }

    fn flush(&mut self, _: &Origin, sink: &mut FlushSink) {
        let Some(own) = &self.own else { return };
        for ((lane, index), version) in self.dirty.take() {
            if let Some(value) = own.value(lane, index) {
                sink.push(lane, index, version, Self::encode(&value));
            }
        }
    }

    fn forget_pending(&mut self) {
        self.dirty.clear();
    }

    fn merge_own(&mut self, mut copy: Self, _: &Origin, version: Version) {
        copy.dirty.merge(version, &self.dirty);
        self.own = copy.own;
        self.dirty = copy.dirty;
    }
}
