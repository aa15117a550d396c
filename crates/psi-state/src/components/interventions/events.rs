//! Interventions of all origins, folded in the order of their clocks.

use std::collections::BTreeMap;

use psi_engine::{Action, guardian::Threat};
use psi_replica::{Clock, Origin};

use crate::component::{
    Direction,
    facts::{InterventionSummary, LatestIntervention},
    moment::{Moment, Place, author_of},
};

/// Interventions that each origin keeps of those by hand, and as many of its guardian's.
pub const INTERVENTIONS_KEPT: u64 = 64;

/// Events that are folded one by one: the latest. Those before them count one each, whatever they follow, so that what is
/// kept of ended origins is bounded. Many nodes with full rings come to as many; ν depends on the last few alone.
pub(crate) const EVENTS_FOLDED: usize = 4096;

/// An intervention.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) action: Action,
    /// The field's merged step count when it was written.
    pub(crate) k: u64,
    /// `None` if it was made by hand.
    pub(crate) automatic: Option<AutomaticCause>,
}

/// Why the guardian intervened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AutomaticCause {
    pub(crate) threat: Threat,
    /// The latest intervention that counted as far as the writer knew.
    pub(crate) follows: Option<Moment>,
}

/// What an origin says of its interventions that are no longer kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retirement {
    /// How many of them counted and none counts in their place. Modulo 2^64: what counted may be fewer without one of them.
    pub(crate) counted: u64,
    /// The latest nigredo among those that counted.
    pub(crate) nigredo: Option<Clock>,
    /// In the base, whose nigredo that is.
    pub(crate) author: Option<Origin>,
}

impl Retirement {
    /// Its nigredo, where `origin` says this.
    fn dissolved(&self, origin: &Origin) -> Option<Moment> {
        Some((self.nigredo?, author_of(origin, self.author.as_ref()).clone()))
    }
}

impl Event {
    /// Where the event of this sequence stands in its lane: those by hand and those of the guardian keep rings of their
    /// own, so that a flood by hand does not take the place of one that others are judged by.
    pub(crate) fn index(&self, sequence: u64) -> u64 {
        let slot = sequence % INTERVENTIONS_KEPT;
        if self.automatic.is_some() { INTERVENTIONS_KEPT + slot } else { slot }
    }
}

/// The interventions of one epoch.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventFold {
    events: BTreeMap<Place, Event>,
    retired: BTreeMap<Origin, Retirement>,
    summary: InterventionSummary,
}

impl EventFold {
    pub(crate) fn summary(&self) -> &InterventionSummary {
        &self.summary
    }

    /// Forgets all but those of `kept`; [`Self::fold`] must follow.
    pub(crate) fn keep_only(&mut self, kept: Option<&Origin>) {
        self.events.retain(|(_, writer, _), _| Some(writer) == kept);
        self.retired.retain(|writer, _| Some(writer) == kept);
    }

    /// The events that are kept, and nothing else.
    #[cfg(test)]
    pub(crate) fn kept_only(&self) -> Self {
        Self { events: self.events.clone(), ..Self::default() }
    }

    /// Records an event; [`Self::fold`] must follow.
    pub(crate) fn put(&mut self, (clock, origin): Moment, index: u64, event: Event) {
        self.events.insert((clock, origin, index), event);
    }

    /// Forgets an event; [`Self::fold`] must follow.
    pub(crate) fn remove(&mut self, (clock, origin): Moment, index: u64) {
        self.events.remove(&(clock, origin, index));
    }

    /// Changes an event of an ended origin; [`Self::fold`] must follow.
    pub(crate) fn change_ended(&mut self, place: &Place, event: &Event, direction: Direction) {
        match direction {
            Direction::Put => self.events.insert(place.clone(), event.clone()),
            Direction::Remove => self.events.remove(place),
        };
    }

    /// Records what an origin says of those that it no longer keeps; [`Self::fold`] must follow.
    pub(crate) fn put_retired(&mut self, origin: &Origin, retired: Option<Retirement>) {
        match retired.filter(|retired| *retired != Retirement::default()) {
            Some(retired) => self.retired.insert(origin.clone(), retired),
            None => self.retired.remove(origin),
        };
    }

    /// Writes an event of the own origin, in place of the one that no longer has room; tells what is retired then.
    pub(crate) fn write(&mut self, moment: Moment, index: u64, event: Event) -> Option<Retirement> {
        let gone = self.events.keys().find(|(_, writer, held)| *writer == moment.1 && *held == index).cloned();
        let retired = gone.and_then(|key| self.retire(&key));
        self.put(moment, index, event);
        self.fold();
        retired
    }

    /// Takes an event of the own origin out. Where another then counts in its place, one that it came before, that one is
    /// counted and not both.
    fn retire(&mut self, key: &Place) -> Option<Retirement> {
        let counted = self.older().chain(self.counting()).any(|(held, _)| held == key);
        let before = self.events.len() as u64 - self.summary.superseded;
        let event = self.events.remove(key)?;
        let gone = before.wrapping_sub(self.older().chain(self.counting()).count() as u64);
        let (clock, origin, _) = key;
        let earlier = self.retired_of(origin);
        let nigredo = (counted && event.action == Action::Nigredo).then_some(*clock).max(earlier.nigredo);
        let retired = Retirement { counted: earlier.counted.wrapping_add(gone), nigredo, author: None };
        (retired != earlier).then(|| {
            self.put_retired(origin, Some(retired.clone()));
            retired
        })
    }

    /// What an origin says of those that it no longer keeps.
    pub(crate) fn retired_of(&self, origin: &Origin) -> Retirement {
        self.retired.get(origin).cloned().unwrap_or_default()
    }

    /// All events that are kept, oldest first.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (Place, Event)> {
        self.events.iter().map(|(place, event)| (place.clone(), event.clone()))
    }

    /// What those come to that are not folded one by one: no longer kept by anyone, or too old.
    pub(crate) fn retired_of_all(&self) -> Retirement {
        let retired = self.retired.values().fold(0, |sum: u64, retired| sum.wrapping_add(retired.counted));
        let dissolved = self.retired.iter().filter_map(|(origin, retired)| retired.dissolved(origin)).max();
        let older = self.older().filter(|(_, event)| event.action == Action::Nigredo).last();
        let dissolved = dissolved.max(older.map(|((clock, origin, _), _)| (*clock, origin.clone())));
        let counted = retired.wrapping_add(self.older_count() as u64);
        let (nigredo, author) = dissolved.unzip();
        Retirement { counted, nigredo, author }
    }

    /// How many events are too old to be folded one by one.
    fn older_count(&self) -> usize {
        self.events.len().saturating_sub(EVENTS_FOLDED)
    }

    fn older(&self) -> impl Iterator<Item = (&Place, &Event)> {
        self.events.iter().take(self.older_count())
    }

    /// The events that count of those that are folded one by one, in the order of their clocks.
    fn counting(&self) -> impl Iterator<Item = (&Place, &Event)> {
        // What each automatic event stands for: the one that came first of those that follow the same.
        let mut first: BTreeMap<Option<(Clock, &Origin)>, (Clock, &Origin)> = BTreeMap::new();
        let mut stands_for: BTreeMap<(Clock, &Origin), (Clock, &Origin)> = BTreeMap::new();
        self.events.iter().skip(self.older_count()).filter_map(move |(key, event)| {
            let moment = (key.0, &key.1);
            let Some(automatic) = &event.automatic else { return Some((key, event)) };
            let named = automatic.follows.as_ref().map(|follows| (follows.0, &follows.1));
            let follows = named.map(|named| stands_for.get(&named).copied().unwrap_or(named));
            match first.get(&follows) {
                None => {
                    first.insert(follows, moment);
                    Some((key, event))
                }
                Some(counted) => {
                    stands_for.insert(moment, *counted);
                    None
                }
            }
        })
    }

    /// Settles what the events come to.
    pub(crate) fn fold(&mut self) {
        let retired = self.retired_of_all();
        let dissolved = retired.nigredo.zip(retired.author);
        let mut summary = InterventionSummary { dissolved, ..InterventionSummary::default() };
        let mut kept: u64 = 0;
        let (mut last, mut nigredo) = (None, None);
        for (key, event) in self.counting() {
            summary.noise = summary.noise.after(event.action);
            summary.automatic += u64::from(event.automatic.is_some());
            kept += 1;
            if event.action == Action::Nigredo {
                nigredo = Some(key);
            }
            last = Some((key, event));
        }
        let moment = |(clock, origin, _): &Place| (*clock, origin.clone());
        summary.dissolved = summary.dissolved.max(nigredo.map(moment));
        summary.last = last.map(|(key, event)| LatestIntervention { moment: moment(key), k: event.k });
        summary.counted = retired.counted.wrapping_add(kept);
        summary.superseded = (self.events.len() - self.older_count()) as u64 - kept;
        self.summary = summary;
    }
}
