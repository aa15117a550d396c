//! A field's interventions of all origins, folded in the order of their clocks.
//!
//! One by hand always counts. One of the guardian names the intervention that it follows; of several that follow the
//! same one, only the first by (clock, origin) counts, so that nodes that react to one threat intervene once. Which count
//! is a function of the events held, so it may change when an earlier one arrives.

use std::collections::BTreeMap;

use psi_engine::{Action, Noise, guardian::Threat};

use crate::{clock::Clock, origin::Origin, value::INTERVENTIONS_KEPT};

/// When something happened in a field: no two writes of an origin share a clock.
pub(crate) type Moment = (Clock, Origin);

/// Where one of several things of an origin stands in that order: the last number is its index in its lane, so that
/// places differ whatever an origin writes.
pub(crate) type Place = (Clock, Origin, u64);

/// An intervention.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) action: Action,
    /// The field's merged step count when it was written.
    pub(crate) k: u64,
    /// `None` if it was made by hand.
    pub(crate) automatic: Option<Automatic>,
}

/// Why the guardian intervened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Automatic {
    pub(crate) threat: Threat,
    /// The latest intervention that counted as far as the writer knew.
    pub(crate) follows: Option<Moment>,
}

/// What an origin says of its interventions that are no longer kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retired {
    /// How many of them counted and none counts in their stead. Modulo 2^64: what counted may be fewer without one of them.
    pub(crate) counted: u64,
    /// The latest nigredo among those that counted.
    pub(crate) nigredo: Option<Clock>,
}

impl Event {
    /// Where the event of this sequence stands in its lane: those by hand and those of the guardian keep rings of their
    /// own, lest a flood by hand takes the place of one that others are judged by.
    pub(crate) fn index(&self, sequence: u64) -> u64 {
        let slot = sequence % INTERVENTIONS_KEPT;
        if self.automatic.is_some() { INTERVENTIONS_KEPT + slot } else { slot }
    }
}

/// The interventions of one epoch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interventions {
    events: BTreeMap<Place, Event>,
    retired: BTreeMap<Origin, Retired>,
    folded: Folded,
}

/// What they come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Folded {
    /// ν.
    pub(crate) noise: Noise,
    /// How many count.
    pub(crate) counted: u64,
    /// How many of those that are kept are the guardian's.
    pub(crate) automatic: u64,
    /// How many automatic ones are kept and don't count, since another node's came first.
    pub(crate) superseded: u64,
    /// The latest that counts.
    pub(crate) last: Option<Last>,
    /// The latest nigredo that counts: what came before it is dissolved.
    pub(crate) dissolved: Option<Moment>,
}

/// The latest intervention that counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Last {
    pub(crate) moment: Moment,
    pub(crate) k: u64,
}

impl Interventions {
    pub(crate) fn folded(&self) -> &Folded {
        &self.folded
    }

    /// Forgets all but those of `kept`; [`Self::fold`] must follow.
    pub(crate) fn keep_only(&mut self, kept: Option<&Origin>) {
        self.events.retain(|(_, writer, _), _| Some(writer) == kept);
        self.retired.retain(|writer, _| Some(writer) == kept);
    }

    /// Notes an event; [`Self::fold`] must follow.
    pub(crate) fn put(&mut self, (clock, origin): Moment, index: u64, event: Event) {
        self.events.insert((clock, origin, index), event);
    }

    /// Forgets an event; [`Self::fold`] must follow.
    pub(crate) fn take(&mut self, (clock, origin): Moment, index: u64) {
        self.events.remove(&(clock, origin, index));
    }

    /// Notes what an origin says of those that it no longer keeps; [`Self::fold`] must follow.
    pub(crate) fn put_retired(&mut self, origin: &Origin, retired: Option<Retired>) {
        match retired.filter(|retired| *retired != Retired::default()) {
            Some(retired) => self.retired.insert(origin.clone(), retired),
            None => self.retired.remove(origin),
        };
    }

    /// Writes an event of the own origin, in place of the one that no longer has room; tells what is retired then.
    pub(crate) fn write(&mut self, moment: Moment, index: u64, event: Event) -> Option<Retired> {
        let gone = self.events.keys().find(|(_, writer, held)| *writer == moment.1 && *held == index).cloned();
        let retired = gone.and_then(|key| self.retire(&key));
        self.put(moment, index, event);
        self.fold();
        retired
    }

    /// Takes an event of the own origin out. Where another then counts in its stead, one that it came before, that one is
    /// counted and not both.
    fn retire(&mut self, key: &Place) -> Option<Retired> {
        let counted = self.counting().any(|(held, _)| held == key);
        let before = self.events.len() as u64 - self.folded.superseded;
        let event = self.events.remove(key)?;
        let gone = before.wrapping_sub(self.counting().count() as u64);
        let (clock, origin, _) = key;
        let earlier = self.retired_of(origin);
        let nigredo = (counted && event.action == Action::Nigredo).then_some(*clock).max(earlier.nigredo);
        let retired = Retired { counted: earlier.counted.wrapping_add(gone), nigredo };
        (retired != earlier).then(|| {
            self.put_retired(origin, Some(retired));
            retired
        })
    }

    /// What an origin says of those that it no longer keeps.
    pub(crate) fn retired_of(&self, origin: &Origin) -> Retired {
        self.retired.get(origin).copied().unwrap_or_default()
    }

    /// The events that count, in the order of their clocks.
    fn counting(&self) -> impl Iterator<Item = (&Place, &Event)> {
        // What each automatic event stands for: the one that came first of those that follow the same.
        let mut first: BTreeMap<Option<(Clock, &Origin)>, (Clock, &Origin)> = BTreeMap::new();
        let mut stands_for: BTreeMap<(Clock, &Origin), (Clock, &Origin)> = BTreeMap::new();
        self.events.iter().filter_map(move |(key, event)| {
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
        let retired = self.retired.values().fold(0, |sum: u64, retired| sum.wrapping_add(retired.counted));
        let dissolved = self.retired.iter().filter_map(|(origin, retired)| Some((retired.nigredo?, origin.clone())));
        let mut folded = Folded { counted: retired, dissolved: dissolved.max(), ..Folded::default() };
        let mut kept: u64 = 0;
        let (mut last, mut nigredo) = (None, None);
        for (key, event) in self.counting() {
            folded.noise = folded.noise.after(event.action);
            folded.automatic += u64::from(event.automatic.is_some());
            kept += 1;
            if event.action == Action::Nigredo {
                nigredo = Some(key);
            }
            last = Some((key, event));
        }
        let moment = |(clock, origin, _): &Place| (*clock, origin.clone());
        folded.dissolved = folded.dissolved.max(nigredo.map(moment));
        folded.last = last.map(|(key, event)| Last { moment: moment(key), k: event.k });
        folded.counted = retired.wrapping_add(kept);
        folded.superseded = self.events.len() as u64 - kept;
        self.folded = folded;
    }
}

#[cfg(test)]
mod tests;
