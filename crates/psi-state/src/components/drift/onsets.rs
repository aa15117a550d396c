//! Since when a field drifts, longer ago than counts are kept: written by an origin where what it judges begins or ends.
//! Of all origins, the latest holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind, Version};

use super::view::{DriftStatus, DriftView};
#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink,
        facts::EpochFacts,
        moment::{Moment, author_of},
        value::{ValueError, author, author_message, encoded, message},
    },
    proto,
    spec::EpochShape,
};

/// Since when a field drifts.
pub const ONSET: Lane = Lane(proto::Lane::Onset as u32);

/// What an origin writes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OnsetValue {
    clock: Clock,
    /// The second with which the first window ended that showed it; `None`: it is over.
    since: Option<u64>,
    /// In the base, whose it is.
    author: Option<Origin>,
}

/// The fold: the onsets of all origins, the own one among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Onsets {
    known: BTreeMap<Moment, Option<u64>>,
    own: Option<Moment>,
    dirty: Option<Version>,
}

impl Onsets {
    /// Since when the field drifts, as the last who wrote it saw.
    pub(crate) fn since(&self) -> Option<u64> {
        self.known.last_key_value().and_then(|(_, since)| *since)
    }

    /// Takes note of a verdict, as part of the write `version`, if it begins or ends a drift. One that is none says
    /// nothing.
    pub(crate) fn observe(&mut self, local: &Moment, version: Version, view: &DriftView) {
        let is_known = matches!(view.status, DriftStatus::Stable | DriftStatus::Warning | DriftStatus::Drift);
        if !is_known || view.is_drift() == self.since().is_some() {
            return;
        }
        if let Some(before) = self.own.replace(local.clone()) {
            self.known.remove(&before);
        }
        self.known.insert(local.clone(), view.since_second.filter(|_| view.is_drift()));
        self.dirty = Some(version);
    }

    fn own_value(&self) -> Option<OnsetValue> {
        let own = self.own.as_ref()?;
        Some(OnsetValue { clock: own.0, since: *self.known.get(own)?, author: None })
    }
}

impl Component for Onsets {
    type Value = OnsetValue;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(_: Lane) -> u64 {
        0
    }

    fn decode(_: &Key, bytes: &Bytes) -> Result<OnsetValue, ValueError> {
        let proto::OnsetValue { clock, since, author: writer } = message(bytes)?;
        Ok(OnsetValue { clock: clock.ok_or(ValueError::NoClock)?.into(), since, author: author(writer)? })
    }

    fn encode(value: &OnsetValue) -> Bytes {
        let OnsetValue { clock, since, author } = value;
        let (clock, author) = (Some((*clock).into()), author_message(author.as_ref()));
        encoded(&proto::OnsetValue { clock, since: *since, author })
    }

    fn clock(value: &OnsetValue) -> Option<Clock> {
        Some(value.clock)
    }

    fn change(&mut self, origin: &Origin, _: &Key, value: &OnsetValue, direction: Direction) {
        let place = (value.clock, author_of(origin, value.author.as_ref()).clone());
        match direction {
            Direction::Put => self.known.insert(place, value.since),
            Direction::Remove => self.known.remove(&place),
        };
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &psi_replica::Scope) -> (Lane, u64, OnsetValue) {
        let (clock, author) = (rng.clock(), rng.chance(30).then(|| rng.author(0)));
        (ONSET, 0, OnsetValue { clock, since: rng.chance(60).then(|| clock.second()), author })
    }
}

impl EpochComponent for Onsets {
    /// Since when the last who wrote it saw drift; shown with the verdict.
    type View = Option<u64>;

    fn new(_: &EpochShape) -> Self {
        Self::default()
    }

    fn restart(&mut self, _: &EpochShape, kept: Option<&Origin>) {
        self.known.retain(|(_, writer), _| Some(writer) == kept);
    }

    fn view(&self, _: &EpochFacts<'_>) -> Option<u64> {
        self.since()
    }

    /// The latest, and whose it is.
    fn write_base(&self, _: &EpochFacts<'_>, base: &mut BaseSink<'_>) {
        if let Some(((clock, writer), since)) = self.known.last_key_value() {
            let value = OnsetValue { clock: *clock, since: *since, author: Some(writer.clone()) };
            base.put(ONSET, 0, Self::encode(&value));
        }
    }

    fn flush(&mut self, _: &Origin, sink: &mut FlushSink) {
        if let (Some(version), Some(value)) = (self.dirty.take(), self.own_value()) {
            sink.push(ONSET, 0, version, Self::encode(&value));
        }
    }

    fn forget_pending(&mut self) {
        self.dirty = None;
    }

    fn merge_own(&mut self, copy: Self, _: &Origin, version: Version) {
        if copy.dirty.is_none() {
            return;
        }
        if let Some(before) = self.own.take() {
            self.known.remove(&before);
        }
        if let Some((moment, value)) = copy.own.clone().zip(copy.own_value()) {
            self.known.insert(moment, value.since);
        }
        self.own = copy.own;
        self.dirty = Some(version);
    }
}
