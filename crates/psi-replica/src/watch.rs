//! What the guardians of all origins have seen of a field: the history that thresholds come from, and the red flag.

use std::collections::BTreeMap;

use psi_engine::guardian::{HISTORY_MAX, Sample, Threat};

use crate::{
    clock::Clock,
    interventions::{Moment, Place},
    origin::Origin,
};

/// Samples in one entry of [`crate::Lane::HISTORY`].
pub(crate) const SAMPLES_PER_ENTRY: usize = 8;
/// Entries of [`crate::Lane::HISTORY`] that an origin has at most.
pub(crate) const HISTORY_ENTRIES: u64 = (HISTORY_MAX / SAMPLES_PER_ENTRY) as u64;

/// Steps that an origin's guardian looks at, and memories that it takes, within [`RECORD_MS`] of hybrid time.
pub(crate) const RECORDS_MAX: u32 = 16;
/// See [`RECORDS_MAX`].
pub(crate) const RECORD_MS: u64 = 20;

/// An origin's latest threat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) threat: Threat,
    pub(crate) clock: Clock,
}

/// The fold of all origins' samples and alarms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    samples: BTreeMap<Place, Sample>,
    alarms: BTreeMap<Origin, Alarm>,
}

impl Watch {
    /// Forgets all but what is of `kept`.
    pub(crate) fn keep_only(&mut self, kept: Option<&Origin>) {
        self.samples.retain(|(_, writer, _), _| Some(writer) == kept);
        self.alarms.retain(|writer, _| Some(writer) == kept);
    }

    pub(crate) fn put(&mut self, place: Place, sample: Sample) {
        self.samples.insert(place, sample);
    }

    pub(crate) fn take(&mut self, place: &Place) {
        self.samples.remove(place);
    }

    pub(crate) fn put_alarm(&mut self, origin: &Origin, alarm: Option<Alarm>) {
        match alarm {
            Some(alarm) => self.alarms.insert(origin.clone(), alarm),
            None => self.alarms.remove(origin),
        };
    }

    /// The latest samples, newest first.
    pub(crate) fn history(&self) -> Vec<Sample> {
        self.samples.values().rev().take(HISTORY_MAX).copied().collect()
    }

    /// The threat that the red flag is up for: the latest after the latest intervention.
    pub(crate) fn flag(&self, last_intervention: Option<&Moment>) -> Option<Threat> {
        let latest = self.alarms.iter().max_by_key(|(origin, alarm)| (alarm.clock, *origin))?;
        let moment = (latest.1.clock, latest.0.clone());
        (last_intervention.is_none_or(|last| *last < moment)).then_some(latest.1.threat)
    }
}

/// Lets an origin record so many steps of its own in a span of hybrid time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recorder {
    span: u64,
    recorded: u32,
}

impl Recorder {
    /// Whether the step of `clock` is one to record.
    pub(crate) fn takes(&mut self, clock: Clock) -> bool {
        let span = clock.wall_ms / RECORD_MS;
        if span != self.span {
            *self = Self { span, recorded: 0 };
        }
        self.recorded += 1;
        self.recorded <= RECORDS_MAX
    }
}

/// The own origin's share: the latest samples, and what of them waits for a flush.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnWatch {
    /// In slot `sequence` mod [`HISTORY_MAX`].
    samples: Vec<(Clock, Sample)>,
    sequence: u64,
    pub(crate) alarm: Option<Alarm>,
}

impl OwnWatch {
    /// Takes a sample in; tells its slot, and the clock of the one that it replaces.
    pub(crate) fn record(&mut self, clock: Clock, sample: Sample) -> (u64, Option<Clock>) {
        let slot = self.sequence % HISTORY_MAX as u64;
        self.sequence += 1;
        let held = usize::try_from(slot).ok().and_then(|slot| self.samples.get_mut(slot));
        let replaced = match held {
            Some(held) => Some(std::mem::replace(held, (clock, sample)).0),
            None => {
                self.samples.push((clock, sample));
                None
            }
        };
        (slot, replaced)
    }

    /// The samples of one entry.
    pub(crate) fn entry(&self, index: u64) -> &[(Clock, Sample)] {
        let first = usize::try_from(index).map_or(usize::MAX, |index| index.saturating_mul(SAMPLES_PER_ENTRY));
        let last = first.saturating_add(SAMPLES_PER_ENTRY).min(self.samples.len());
        self.samples.get(first..last).unwrap_or_default()
    }
}
