//! The latest step of each origin; the greatest by (clock, origin) is the field's.

use std::collections::BTreeMap;

use bytes::Bytes;
use psi_engine::Metrics;
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind, Version};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink,
        facts::EpochFacts,
        moment::author_of,
        value::{ValueError, author, author_message, encoded, message},
    },
    limits::METRICS,
    proto,
    spec::EpochShape,
};

/// The latest step.
pub const RECENT: Lane = Lane(proto::Lane::Recent as u32);

/// A scored step.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When it was accepted.
    pub clock: Clock,
    /// Who accepted it.
    pub origin: Origin,
    /// Its score.
    pub metrics: Metrics,
    /// The field's merged step count when it was scored, its own included.
    pub k: u64,
    /// Root mean square z-score of the input against all that came before, over the dimensions that vary.
    pub novelty: f64,
    /// g0 + g1·Ψ − g2·PE.
    pub attention_gain: f64,
}

/// What an origin writes of its latest step: a [`Record`], whose origin is left out but in the base.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecentStep {
    clock: Clock,
    metrics: Metrics,
    k: u64,
    novelty: f64,
    attention_gain: f64,
    author: Option<Origin>,
}

impl RecentStep {
    /// A record without its origin.
    fn own(record: &Record) -> Self {
        let Record { clock, origin: _, metrics, k, novelty, attention_gain } = *record;
        Self { clock, metrics, k, novelty, attention_gain, author: None }
    }

    fn of(&self, origin: &Origin) -> Record {
        let Self { clock, metrics, k, novelty, attention_gain, author } = self;
        let origin = author_of(origin, author.as_ref()).clone();
        let (clock, k, novelty, attention_gain) = (*clock, *k, *novelty, *attention_gain);
        Record { clock, origin, metrics: *metrics, k, novelty, attention_gain }
    }
}

/// The fold: the latest steps of the other origins, and the own one.
#[derive(Clone, Debug)]
pub(crate) struct LatestSteps {
    others: BTreeMap<(Clock, Origin), Record>,
    own: Option<Record>,
    /// The write of the own step, if it waits for a flush.
    dirty: Option<Version>,
}

impl LatestSteps {
    /// Takes in an own step, as part of the write `version`.
    pub(crate) fn absorb(&mut self, version: Version, record: Record) {
        self.own = Some(record);
        self.dirty = Some(version);
    }

    /// The clock of the latest step.
    pub(crate) fn clock(&self) -> Option<Clock> {
        let others = self.others.last_key_value().map(|((clock, _), _)| *clock);
        others.max(self.own.as_ref().map(|record| record.clock))
    }

    /// The step with the highest clock.
    pub(crate) fn last(&self) -> Option<Record> {
        let others = self.others.last_key_value().map(|(_, record)| record);
        others.into_iter().chain(&self.own).max_by_key(|record| (record.clock, &record.origin)).cloned()
    }
}

impl Component for LatestSteps {
    type Value = RecentStep;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(_: Lane) -> u64 {
        0
    }

    fn decode(_: &Key, bytes: &Bytes) -> Result<RecentStep, ValueError> {
        let proto::RecentValue { clock, metrics, k, novelty, attention_gain, author: writer } = message(bytes)?;
        if metrics.iter().chain([&novelty, &attention_gain]).any(|metric| !metric.is_finite()) {
            return Err(ValueError::Metrics);
        }
        // A later version may append metrics; those that are known come first.
        let known = metrics.first_chunk::<METRICS>().ok_or(ValueError::Metrics)?;
        let (clock, metrics) = (clock.ok_or(ValueError::NoClock)?.into(), Metrics::from_array(*known));
        Ok(RecentStep { clock, metrics, k, novelty, attention_gain, author: author(writer)? })
    }

    fn encode(step: &RecentStep) -> Bytes {
        let RecentStep { clock, metrics, k, novelty, attention_gain, author } = step;
        let (metrics, author) = (metrics.to_array().to_vec(), author_message(author.as_ref()));
        let (clock, k, novelty, attention_gain) = (Some((*clock).into()), *k, *novelty, *attention_gain);
        encoded(&proto::RecentValue { clock, metrics, k, novelty, attention_gain, author })
    }

    fn clock(step: &RecentStep) -> Option<Clock> {
        Some(step.clock)
    }

    fn change(&mut self, origin: &Origin, _: &Key, step: &RecentStep, direction: Direction) {
        let record = step.of(origin);
        let place = (record.clock, record.origin.clone());
        match direction {
            Direction::Put => self.others.insert(place, record),
            Direction::Remove => self.others.remove(&place),
        };
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &psi_replica::Scope) -> (Lane, u64, RecentStep) {
        let (clock, metrics) = (rng.clock(), Metrics::from_array([rng.unit(); METRICS]));
        let (k, novelty, attention_gain) = (rng.below(300), rng.unit(), rng.unit());
        let author = rng.chance(30).then(|| rng.author(0));
        (RECENT, 0, RecentStep { clock, metrics, k, novelty, attention_gain, author })
    }
}

impl EpochComponent for LatestSteps {
    /// The step with the highest clock; `None` before the first.
    type View = Option<Record>;

    fn new(_: &EpochShape) -> Self {
        Self { others: BTreeMap::new(), own: None, dirty: None }
    }

    fn restart(&mut self, _: &EpochShape, _: Option<&Origin>) {
        self.others.clear();
    }

    fn view(&self, _: &EpochFacts<'_>) -> Option<Record> {
        self.last()
    }

    /// The latest step, and whose it is.
    fn write_base(&self, _: &EpochFacts<'_>, base: &mut BaseSink<'_>) {
        if let Some(record) = self.last() {
            let step = RecentStep { author: Some(record.origin.clone()), ..RecentStep::own(&record) };
            base.put(RECENT, 0, Self::encode(&step));
        }
    }

    fn flush(&mut self, _: &Origin, sink: &mut FlushSink) {
        if let (Some(version), Some(record)) = (self.dirty.take(), &self.own) {
            sink.push(RECENT, 0, version, Self::encode(&RecentStep::own(record)));
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
