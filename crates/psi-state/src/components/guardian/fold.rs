//! What the guardians of all origins have seen of a field: the history that thresholds come from, and the red flag.

use std::collections::{BTreeMap, btree_map::Entry};

use psi_engine::guardian::{HISTORY_MAX, History, Sample, Threat, Thresholds};
use psi_replica::{Clock, Origin};

use crate::component::moment::{Moment, Place};

/// An origin's latest threat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) threat: Threat,
    pub(crate) clock: Clock,
    /// The step.
    pub(crate) k: u64,
}

/// The fold of all origins' samples and alarms.
#[derive(Clone, Debug, Default)]
pub(crate) struct SampleFold {
    samples: BTreeMap<Place, Sample>,
    /// The latest [`HISTORY_MAX`] of them.
    latest: History,
    /// Where the oldest of those stands.
    oldest: Option<Place>,
    alarms: BTreeMap<Origin, Alarm>,
    /// The same in the order of their clocks.
    alarms_by_clock: BTreeMap<Moment, Alarm>,
    /// When somebody took the red flag down through an origin.
    acknowledged: BTreeMap<Origin, Clock>,
}

impl SampleFold {
    /// Forgets all but what is of `kept`.
    pub(crate) fn keep_only(&mut self, kept: Option<&Origin>) {
        let before = std::mem::take(self);
        for (place, sample) in before.samples.into_iter().filter(|((_, writer, _), _)| Some(writer) == kept) {
            self.put(place, sample);
        }
        for (writer, clock) in before.acknowledged.into_iter().filter(|(writer, _)| Some(writer) == kept) {
            self.put_acknowledged(&writer, Some(clock));
        }
        for (writer, alarm) in before.alarms.into_iter().filter(|(writer, _)| Some(writer) == kept) {
            self.put_alarm(&writer, Some(alarm));
        }
    }

    pub(crate) fn put(&mut self, place: Place, sample: Sample) {
        match self.samples.entry(place.clone()) {
            Entry::Vacant(free) => {
                free.insert(sample);
            }
            Entry::Occupied(_) => {
                self.remove(&place);
                self.samples.insert(place.clone(), sample);
            }
        }
        let comes_first = self.oldest.as_ref().is_none_or(|oldest| place < *oldest);
        if comes_first && self.latest.len() == HISTORY_MAX {
            return;
        }
        self.latest.insert(&sample);
        if comes_first {
            self.oldest = Some(place);
        }
        if self.latest.len() > HISTORY_MAX {
            self.drop_oldest();
        }
    }

    pub(crate) fn remove(&mut self, place: &Place) {
        let Some(sample) = self.samples.remove(place) else { return };
        let Some(oldest) = self.oldest.clone().filter(|oldest| place >= oldest) else { return };
        self.latest.remove(&sample);
        // The next older one, if there is one, becomes one of the latest again; else the oldest may be the one that goes.
        let next = match self.samples.range(..&oldest).next_back() {
            Some((older, sample)) => {
                self.latest.insert(sample);
                Some(older)
            }
            None => self.samples.range(&oldest..).next().map(|(newer, _)| newer),
        };
        self.oldest = next.cloned();
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.oldest.take() else { return };
        let mut newer = self.samples.range(oldest..);
        if let Some((_, sample)) = newer.next() {
            self.latest.remove(sample);
        }
        self.oldest = newer.next().map(|(place, _)| place.clone());
    }

    pub(crate) fn put_alarm(&mut self, origin: &Origin, alarm: Option<Alarm>) {
        let before = match alarm {
            Some(alarm) => self.alarms.insert(origin.clone(), alarm),
            None => self.alarms.remove(origin),
        };
        if let Some(before) = before {
            self.alarms_by_clock.remove(&(before.clock, origin.clone()));
        }
        if let Some(alarm) = alarm {
            self.alarms_by_clock.insert((alarm.clock, origin.clone()), alarm);
        }
    }

    pub(crate) fn put_acknowledged(&mut self, origin: &Origin, clock: Option<Clock>) {
        match clock {
            Some(clock) => self.acknowledged.insert(origin.clone(), clock),
            None => self.acknowledged.remove(origin),
        };
    }

    /// When the red flag was last taken down by hand, and through whom.
    pub(crate) fn last_acknowledged(&self) -> Option<Moment> {
        self.acknowledged.iter().map(|(origin, clock)| (*clock, origin.clone())).max()
    }

    /// All samples and where they stand, oldest first.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (Place, Sample)> {
        self.samples.iter().map(|(place, sample)| (place.clone(), *sample))
    }

    /// The latest alarm.
    pub(crate) fn last_alarm(&self) -> Option<(&Moment, &Alarm)> {
        self.alarms_by_clock.last_key_value()
    }

    /// The latest samples, newest first.
    pub(crate) fn history(&self) -> Vec<Sample> {
        self.samples.values().rev().take(HISTORY_MAX).copied().collect()
    }

    /// What the latest step is judged by, its own sample included.
    pub(crate) fn thresholds(&self) -> Thresholds {
        self.latest.thresholds()
    }

    /// The threat that the red flag is up for: the latest after the latest intervention, unless somebody took it down.
    pub(crate) fn flag(&self, last_intervention: Option<&Moment>) -> Option<Alarm> {
        let (moment, alarm) = self.last_alarm()?;
        let is_new = last_intervention.is_none_or(|last| last < moment);
        (is_new && self.last_acknowledged().is_none_or(|last| last < *moment)).then_some(*alarm)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use psi_replica::NodeId;

    fn place(wall_ms: u64, node: u8) -> Place {
        let node = NodeId::new(if node == 0 { "a" } else { "b" }).unwrap();
        (Clock { wall_ms, counter: 0 }, Origin { node, incarnation: 1 }, wall_ms % 7)
    }

    proptest! {
        #[test]
        fn thresholds_are_those_of_the_latest_samples_whatever_came_and_went(
            changes in prop::collection::vec((0..400_u64, 0..2_u8, 0..3_u8), 0..900), kept in 0..3_u8,
        ) {
            let mut fold = SampleFold::default();
            for (number, (wall_ms, node, put)) in changes.into_iter().enumerate() {
                let sample = |by: f64| (number as f64 * by).sin().abs();
                let sample = Sample {
                    density: sample(0.7), prediction_error: sample(1.3), temporal_entropy: sample(2.1),
                };
                match put {
                    0 => fold.remove(&place(wall_ms, node)),
                    _ => fold.put(place(wall_ms, node), sample),
                }
                if number.is_multiple_of(50) {
                    prop_assert_eq!(fold.thresholds(), Thresholds::of(&fold.history()));
                }
            }
            fold.keep_only(Some(&place(0, kept).1).filter(|_| kept < 2));
            prop_assert_eq!(fold.thresholds(), Thresholds::of(&fold.history()));
            prop_assert_eq!(fold.latest.len(), fold.history().len());
        }
    }
}
