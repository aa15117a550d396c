//! The guardian: what it has seen of a field on all nodes, and why the red flag is up.

mod ended;
mod fold;
mod own;
mod samples;

use bytes::Bytes;
use psi_engine::{
    Metrics,
    guardian::{HISTORY_MAX, Sample, Statistics, Threat, Thresholds, judge},
};
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind, Version};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink,
        dirty_slots::DirtySlots,
        facts::{EpochFacts, InterventionSummary},
        moment::{Moment, author_of},
        value::{ValueError, at_most, author, author_message, encoded, message},
    },
    components::interventions::{number_of, threat_of},
    proto,
    spec::EpochShape,
};
use ended::EndedSample;
use fold::{Alarm, SampleFold};
use own::{HISTORY_ENTRIES, OwnSamples, Recorder, SAMPLES_PER_ENTRY};
use samples::{sample_message, sample_of};

/// What the guardian has seen: 200 samples, 8 an entry.
pub const HISTORY: Lane = Lane(proto::Lane::History as u32);
/// The guardian's latest threat.
pub const ALARM: Lane = Lane(proto::Lane::Alarm as u32);

/// The latest red flag that was taken down by hand.
pub const ACKNOWLEDGED: Lane = Lane(proto::Lane::Acknowledged as u32);

/// In the base, the latest samples of ended origins.
pub const ENDED_HISTORY: Lane = Lane(proto::Lane::EndedHistory as u32);

/// What an origin writes of its guardian, and the base of those of ended origins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GuardianValue {
    History(Vec<(Clock, Sample)>),
    Alarm {
        alarm: Alarm,
        /// In the base, whose it is.
        author: Option<Origin>,
    },
    Acknowledged {
        clock: Clock,
        /// Likewise.
        author: Option<Origin>,
    },
    Ended(Vec<EndedSample>),
}

/// The fold, of all origins, and what the own guardian keeps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guardian {
    fold: SampleFold,
    own: OwnSamples,
    recorder: Recorder,
    dirty: DirtySlots,
}

/// What the guardians of all nodes have seen and done in a field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuardianView {
    /// The latest steps that they looked at, 200 at most, newest first.
    pub history: Vec<Sample>,
    /// Why the red flag is up, or that it is down.
    pub flag: Option<Threat>,
    /// The step that raised it: the field's step count at that step.
    pub flag_step: Option<u64>,
    /// Interventions by the guardian that count, of the last 64 of each origin.
    pub automatic: u64,
    /// Interventions by the guardian that don't count, since another node's came first; of the last 64 of each origin.
    pub superseded: u64,
    /// The field's step count at the latest intervention; `None` before the first.
    pub last_step: Option<u64>,
}

impl GuardianView {
    /// What the next step is judged by, but for its own sample.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        Thresholds::of(&self.history)
    }

    /// Statistics of the history.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.history)
    }

    /// The share of the steps in the history that are a threat by the thresholds that hold now; `None` of no history. By
    /// chance, that is [`Self::CHANCE_SHARE`] where thresholds are adaptive.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "at most 200")]
    pub fn threat_share(&self) -> Option<f64> {
        let thresholds = self.thresholds();
        let threats = self.history.iter().filter(|sample| thresholds.threat(sample).is_some()).count();
        (!self.history.is_empty()).then(|| threats as f64 / self.history.len() as f64)
    }

    /// One in 20 steps is beyond each of three thresholds, if these have nothing to do with each other.
    pub const CHANCE_SHARE: f64 = 1.0 - 0.95 * 0.95 * 0.95;

    /// The threat that the latest step is, if it is one.
    #[must_use]
    pub fn current_threat(&self) -> Option<Threat> {
        self.thresholds().threat(self.history.first()?)
    }
}

impl Guardian {
    /// Whether the own step of `clock` is one to record: so many are within a span of hybrid time.
    pub(crate) fn records(&mut self, clock: Clock) -> bool {
        self.recorder.takes(clock)
    }

    /// What a step of these metrics is taken for.
    pub(crate) fn threat(&self, metrics: &Metrics) -> Option<Threat> {
        self.fold.thresholds().threat(&Sample::from(metrics))
    }

    /// Looks at an own step `k`, as part of the write `version`; returns what it takes it for, and what it would intervene
    /// for.
    pub(crate) fn watch(
        &mut self,
        local: &Moment,
        version: Version,
        (k, metrics): (u64, &Metrics),
        interventions: &InterventionSummary,
    ) -> (Option<Threat>, Option<Threat>) {
        let (clock, origin) = local;
        let sample = Sample::from(metrics);
        let (slot, replaced) = self.own.record(*clock, sample);
        if let Some(replaced) = replaced {
            self.fold.remove(&(replaced, origin.clone(), slot));
        }
        self.fold.put((*clock, origin.clone(), slot), sample);
        self.dirty.record(version, [(HISTORY, slot / SAMPLES_PER_ENTRY as u64)]);

        let last = interventions.last.as_ref();
        let flag = self.fold.flag(last.map(|last| &last.moment));
        let since = last.map(|last| k.saturating_sub(last.k));
        let flag = flag.map(|alarm| alarm.threat);
        let verdict = judge(&sample, &self.fold.thresholds(), flag, since);
        if let Some(threat) = verdict.threat {
            self.own.alarm = Some(Alarm { threat, clock: *clock, k });
            self.fold.put_alarm(origin, self.own.alarm);
            self.dirty.record(version, [(ALARM, 0)]);
        }
        (verdict.threat, verdict.intervention.and(verdict.threat.or(flag)))
    }

    /// Takes the red flag down for a caller, as part of the write `version`.
    pub(crate) fn acknowledge(&mut self, local: &Moment, version: Version) {
        let (clock, origin) = local;
        self.own.acknowledged = Some(*clock);
        self.fold.put_acknowledged(origin, self.own.acknowledged);
        self.dirty.record(version, [(ACKNOWLEDGED, 0)]);
    }

    /// An own entry as it stands.
    fn own_value(&self, (lane, index): (Lane, u64)) -> Option<GuardianValue> {
        if lane == ALARM {
            return self.own.alarm.map(|alarm| GuardianValue::Alarm { alarm, author: None });
        }
        if lane == ACKNOWLEDGED {
            return self.own.acknowledged.map(|clock| GuardianValue::Acknowledged { clock, author: None });
        }
        let samples = self.own.entry(index);
        (!samples.is_empty()).then(|| GuardianValue::History(samples.to_vec()))
    }

    fn change_value(&mut self, origin: &Origin, index: u64, value: &GuardianValue, direction: Direction) {
        match (value, direction) {
            (GuardianValue::History(samples), Direction::Put) => {
                for ((clock, sample), slot) in samples.iter().zip(first_slot(index)..) {
                    self.fold.put((*clock, origin.clone(), slot), *sample);
                }
            }
            (GuardianValue::History(samples), Direction::Remove) => {
                for ((clock, _), slot) in samples.iter().zip(first_slot(index)..) {
                    self.fold.remove(&(*clock, origin.clone(), slot));
                }
            }
            (GuardianValue::Alarm { alarm, author }, _) => {
                let alarm = (direction == Direction::Put).then_some(*alarm);
                self.fold.put_alarm(author_of(origin, author.as_ref()), alarm);
            }
            (GuardianValue::Acknowledged { clock, author }, _) => {
                let clock = (direction == Direction::Put).then_some(*clock);
                self.fold.put_acknowledged(author_of(origin, author.as_ref()), clock);
            }
            (GuardianValue::Ended(samples), _) if origin.is_base() => self.change_ended(samples, direction),
            (GuardianValue::Ended(_), _) => {}
        }
    }

    fn change_ended(&mut self, samples: &[EndedSample], direction: Direction) {
        for (place, sample) in samples {
            match direction {
                Direction::Put => self.fold.put(place.clone(), *sample),
                Direction::Remove => self.fold.remove(place),
            }
        }
    }
}

/// The slot of an entry's first sample.
fn first_slot(index: u64) -> u64 {
    index.saturating_mul(SAMPLES_PER_ENTRY as u64)
}

impl Component for Guardian {
    type Value = GuardianValue;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(lane: Lane) -> u64 {
        if lane == HISTORY { HISTORY_ENTRIES - 1 } else { 0 }
    }

    fn decode(key: &Key, bytes: &Bytes) -> Result<GuardianValue, ValueError> {
        match key.lane {
            ALARM => decode_alarm(bytes),
            ACKNOWLEDGED => {
                let proto::AcknowledgedValue { clock, author: writer } = message(bytes)?;
                let clock = clock.ok_or(ValueError::NoClock)?.into();
                Ok(GuardianValue::Acknowledged { clock, author: author(writer)? })
            }
            ENDED_HISTORY => ended::decode(bytes).map(GuardianValue::Ended),
            _ => {
                let samples = message::<proto::HistoryValue>(bytes)?.samples;
                at_most(samples.len(), SAMPLES_PER_ENTRY)?;
                Ok(GuardianValue::History(samples.into_iter().map(sample_of).collect::<Result<_, _>>()?))
            }
        }
    }

    fn encode(value: &GuardianValue) -> Bytes {
        match value {
            GuardianValue::History(samples) => encode_history(samples),
            GuardianValue::Alarm { alarm, author } => encode_alarm(*alarm, author.as_ref()),
            GuardianValue::Acknowledged { clock, author } => encode_acknowledged(*clock, author.as_ref()),
            GuardianValue::Ended(samples) => ended::encode(samples),
        }
    }

    fn clock(value: &GuardianValue) -> Option<Clock> {
        match value {
            GuardianValue::History(samples) => samples.iter().map(|(clock, _)| *clock).max(),
            GuardianValue::Alarm { alarm, author: _ } => Some(alarm.clock),
            GuardianValue::Acknowledged { clock, author: _ } => Some(*clock),
            GuardianValue::Ended(samples) => samples.iter().map(|((clock, ..), _)| *clock).max(),
        }
    }

    fn change(&mut self, origin: &Origin, key: &Key, value: &GuardianValue, direction: Direction) {
        self.change_value(origin, key.index, value, direction);
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &psi_replica::Scope) -> (Lane, u64, GuardianValue) {
        let sample = |rng: &mut SampleRng| {
            let [density, prediction_error, temporal_entropy] = [rng.unit(), rng.unit(), rng.unit()];
            (rng.clock(), Sample { density, prediction_error, temporal_entropy })
        };
        if rng.chance(30) {
            let alarm = Alarm { threat: rng.threat(), clock: rng.clock(), k: rng.below(300) };
            let author = rng.chance(30).then(|| rng.author(0));
            return (ALARM, 0, GuardianValue::Alarm { alarm, author });
        }
        if rng.chance(10) {
            let author = rng.chance(30).then(|| rng.author(0));
            return (ACKNOWLEDGED, 0, GuardianValue::Acknowledged { clock: rng.clock(), author });
        }
        if rng.chance(20) {
            return (ENDED_HISTORY, 0, GuardianValue::Ended(ended::sample(rng, sample)));
        }
        let samples = (0..=rng.below(8).min(7)).map(|_| sample(rng)).collect();
        (HISTORY, rng.below(HISTORY_ENTRIES), GuardianValue::History(samples))
    }
}

impl EpochComponent for Guardian {
    type View = GuardianView;

    fn new(_: &EpochShape) -> Self {
        Self::default()
    }

    fn restart(&mut self, _: &EpochShape, kept: Option<&Origin>) {
        self.fold.keep_only(kept);
    }

    fn view(&self, facts: &EpochFacts<'_>) -> GuardianView {
        let InterventionSummary { noise: _, counted: _, automatic, superseded, last, dissolved: _ } =
            facts.interventions;
        let flag = self.fold.flag(last.as_ref().map(|last| &last.moment));
        GuardianView {
            history: self.fold.history(),
            flag: flag.map(|alarm| alarm.threat),
            // A node of an earlier version did not write it.
            flag_step: flag.map(|alarm| alarm.k).filter(|k| *k > 0),
            automatic: *automatic,
            superseded: *superseded,
            last_step: last.as_ref().map(|last| last.k),
        }
    }

    /// The latest samples, as many as a view looks at, and the latest alarm; and whose they are.
    fn write_base(&self, _: &EpochFacts<'_>, base: &mut BaseSink<'_>) {
        let samples: Vec<EndedSample> = self.fold.placed().collect();
        base.put_latest(ENDED_HISTORY, &samples, (HISTORY_MAX, HISTORY_MAX), ended::encode);
        if let Some(((_, author), alarm)) = self.fold.last_alarm() {
            base.put(ALARM, 0, encode_alarm(*alarm, Some(author)));
        }
        if let Some((clock, author)) = self.fold.last_acknowledged() {
            base.put(ACKNOWLEDGED, 0, encode_acknowledged(clock, Some(&author)));
        }
    }

    fn flush(&mut self, _: &Origin, sink: &mut FlushSink) {
        for ((lane, index), version) in self.dirty.take() {
            if let Some(value) = self.own_value((lane, index)) {
                sink.push(lane, index, version, Self::encode(&value));
            }
        }
    }

    fn forget_pending(&mut self) {
        self.dirty.clear();
    }

    fn merge_own(&mut self, mut copy: Self, local: &Origin, version: Version) {
        for (lane, index) in copy.dirty.iter() {
            for (value, direction) in
                [(self.own_value((lane, index)), Direction::Remove), (copy.own_value((lane, index)), Direction::Put)]
            {
                if let Some(value) = value {
                    self.change_value(local, index, &value, direction);
                }
            }
        }
        copy.dirty.merge(version, &self.dirty);
        let Self { fold: _, own, recorder, dirty } = copy;
        *self = Self { fold: std::mem::take(&mut self.fold), own, recorder, dirty };
    }
}

fn encode_history(samples: &[(Clock, Sample)]) -> Bytes {
    encoded(&proto::HistoryValue { samples: samples.iter().map(sample_message).collect() })
}

fn encode_alarm(Alarm { threat, clock, k }: Alarm, author: Option<&Origin>) -> Bytes {
    let (threat, author) = (number_of(threat), author_message(author));
    encoded(&proto::AlarmValue { threat, clock: Some(clock.into()), author, k })
}

fn encode_acknowledged(clock: Clock, author: Option<&Origin>) -> Bytes {
    encoded(&proto::AcknowledgedValue { clock: Some(clock.into()), author: author_message(author) })
}

fn decode_alarm(bytes: &Bytes) -> Result<GuardianValue, ValueError> {
    let proto::AlarmValue { threat, clock, author: writer, k } = message(bytes)?;
    let (threat, clock) = (threat_of(threat)?, clock.ok_or(ValueError::NoClock)?.into());
    Ok(GuardianValue::Alarm { alarm: Alarm { threat, clock, k }, author: author(writer)? })
}
