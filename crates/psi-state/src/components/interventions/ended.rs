//! Entries of the base: interventions of ended origins, and whose they are.

use bytes::Bytes;
use psi_replica::{Lane, Origin};

use super::{
    events::{EVENTS_FOLDED, Event, INTERVENTIONS_KEPT},
    messages::{event_message, event_of},
};
#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        moment::Place,
        value::{ValueError, at_most, encoded, message, slot_below},
    },
    proto,
};

/// In the base, the latest interventions of ended origins.
pub const ENDED_EVENTS: Lane = Lane(proto::Lane::EndedEvents as u32);

/// Events in one entry of [`ENDED_EVENTS`]: with the longest names some 30 kB.
pub(crate) const EVENTS_PER_ENTRY: usize = 128;
/// Entries of [`ENDED_EVENTS`] that the base has at most.
pub(crate) const ENTRIES: u64 = (EVENTS_FOLDED / EVENTS_PER_ENTRY) as u64;

/// An intervention of an ended origin, at its place among that origin's own.
pub(crate) type EndedEvent = (Place, Event);

pub(super) fn decode(bytes: &Bytes) -> Result<Vec<EndedEvent>, ValueError> {
    let events = message::<proto::EndedEventsValue>(bytes)?.events;
    at_most(events.len(), EVENTS_PER_ENTRY)?;
    events.into_iter().map(ended_event_of).collect()
}

fn ended_event_of(ended: proto::EndedEvent) -> Result<EndedEvent, ValueError> {
    let proto::EndedEvent { author, event } = ended;
    let (clock, sequence, event) = event_of(event.unwrap_or_default())?;
    let index = event.index(slot_below(sequence, INTERVENTIONS_KEPT)?);
    Ok(((clock, Origin::try_from(author)?, index), event))
}

pub(super) fn encode(events: &[EndedEvent]) -> Bytes {
    encoded(&proto::EndedEventsValue { events: events.iter().map(ended_event_message).collect() })
}

fn ended_event_message(((clock, author, index), event): &EndedEvent) -> proto::EndedEvent {
    let event = event_message(*clock, index % INTERVENTIONS_KEPT, event);
    proto::EndedEvent { author: Some(author.into()), event: Some(event) }
}

/// Such events as some base could hold in its entry `part`.
#[cfg(test)]
pub(super) fn sample(rng: &mut SampleRng, part: u64) -> Vec<EndedEvent> {
    let event = |slot| {
        let event = Event::sample(rng);
        ((rng.clock(), rng.author(part), event.index(slot)), event)
    };
    (0..3).map(event).collect()
}
