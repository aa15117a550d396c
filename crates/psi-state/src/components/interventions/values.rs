//! Entries of the intervention lanes.

use bytes::Bytes;
use psi_replica::{Clock, Key, Lane};

use super::{
    ended::{self, ENDED_EVENTS, EndedEvent},
    events::{Event, Retirement},
    messages::{event_message, event_of},
};
#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::value::{ValueError, at_index, author, author_message, encoded, message},
    proto,
};

/// Interventions, the last 64 by hand and the last 64 of the guardian.
pub const INTERVENTIONS: Lane = Lane(proto::Lane::Interventions as u32);
/// What an origin's interventions come to that it no longer keeps.
pub const RETIRED: Lane = Lane(proto::Lane::Retired as u32);

/// What an origin writes of its interventions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InterventionValue {
    /// One of them.
    Event {
        clock: Clock,
        /// The origin's own count of those by hand, or of its guardian's.
        sequence: u64,
        event: Event,
    },
    /// What those come to that it no longer keeps.
    Retired(Retirement),
    /// In the base, those of ended origins.
    Ended(Vec<EndedEvent>),
}

impl InterventionValue {
    pub(super) fn decode(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        match key.lane {
            RETIRED => decode_retirement(bytes).map(Self::Retired),
            ENDED_EVENTS => ended::decode(bytes).map(Self::Ended),
            _ => {
                let (clock, sequence, event) = event_of(message(bytes)?)?;
                at_index(key, event.index(sequence))?;
                Ok(Self::Event { clock, sequence, event })
            }
        }
    }

    pub(super) fn encode(&self) -> Bytes {
        match self {
            Self::Event { clock, sequence, event } => encode_event(*clock, *sequence, event),
            Self::Retired(retirement) => encode_retirement(retirement),
            Self::Ended(events) => ended::encode(events),
        }
    }

    #[cfg(test)]
    pub(super) fn sample(rng: &mut SampleRng) -> (Lane, u64, Self) {
        let clock = rng.clock();
        if rng.chance(30) {
            let nigredo = rng.chance(50).then_some(clock);
            let author = rng.chance(30).then(|| rng.author(0));
            return (RETIRED, 0, Self::Retired(Retirement { counted: rng.below(3), nigredo, author }));
        }
        if rng.chance(20) {
            let index = rng.below(2);
            return (ENDED_EVENTS, index, Self::Ended(ended::sample(rng, index)));
        }
        let (sequence, event) = (rng.below(200), Event::sample(rng));
        (INTERVENTIONS, event.index(sequence), Self::Event { clock, sequence, event })
    }
}

fn decode_retirement(bytes: &Bytes) -> Result<Retirement, ValueError> {
    let proto::RetiredValue { counted, nigredo, author: writer } = message(bytes)?;
    Ok(Retirement { counted, nigredo: nigredo.map(Into::into), author: author(writer)? })
}

pub(super) fn encode_event(clock: Clock, sequence: u64, event: &Event) -> Bytes {
    encoded(&event_message(clock, sequence, event))
}

pub(super) fn encode_retirement(Retirement { counted, nigredo, author }: &Retirement) -> Bytes {
    let (nigredo, author) = (nigredo.map(Into::into), author_message(author.as_ref()));
    encoded(&proto::RetiredValue { counted: *counted, nigredo, author })
}
