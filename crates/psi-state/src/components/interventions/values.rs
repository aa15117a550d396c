//! Entries of the intervention lanes.

use bytes::Bytes;
use psi_engine::{Action, guardian::Threat};
use psi_replica::{Clock, Key, Lane, Origin};

use super::{
    ended::{self, ENDED_EVENTS, EndedEvent},
    events::{AutomaticCause, Event, Retirement},
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

#[cfg(test)]
impl Event {
    /// An event such as some origin could write.
    pub(super) fn sample(rng: &mut SampleRng) -> Self {
        let action = if rng.chance(50) { Action::Nigredo } else { Action::Albedo };
        let follows = rng.chance(50).then(|| (rng.clock(), rng.origin()));
        let automatic = rng.chance(70).then(|| AutomaticCause { threat: rng.threat(), follows });
        Self { action, k: rng.below(300), automatic }
    }
}

/// The clock, the sequence and the rest of an event.
pub(super) fn event_of(value: proto::InterventionValue) -> Result<(Clock, u64, Event), ValueError> {
    let proto::InterventionValue { clock, sequence, action, k, automatic } = value;
    let action = match proto::Action::try_from(action) {
        Ok(proto::Action::Nigredo) => Action::Nigredo,
        Ok(proto::Action::Albedo) => Action::Albedo,
        _ => return Err(ValueError::Action(action)),
    };
    let automatic = automatic.map(AutomaticCause::try_from).transpose()?;
    Ok((clock.ok_or(ValueError::NoClock)?.into(), sequence, Event { action, k, automatic }))
}

fn decode_retirement(bytes: &Bytes) -> Result<Retirement, ValueError> {
    let proto::RetiredValue { counted, nigredo, author: writer } = message(bytes)?;
    Ok(Retirement { counted, nigredo: nigredo.map(Into::into), author: author(writer)? })
}

impl TryFrom<proto::AutomaticCause> for AutomaticCause {
    type Error = ValueError;

    fn try_from(proto::AutomaticCause { threat, follows }: proto::AutomaticCause) -> Result<Self, ValueError> {
        let follows = match follows {
            None => None,
            Some(proto::EventName { clock, origin }) => {
                Some((clock.ok_or(ValueError::NoClock)?.into(), Origin::try_from(origin)?))
            }
        };
        Ok(Self { threat: threat_of(threat)?, follows })
    }
}

/// The threat of a number in `entry.proto`.
pub(crate) fn threat_of(number: i32) -> Result<Threat, ValueError> {
    match proto::Threat::try_from(number) {
        Ok(proto::Threat::HighPredictionError) => Ok(Threat::HighPredictionError),
        Ok(proto::Threat::LowDensity) => Ok(Threat::LowDensity),
        Ok(proto::Threat::HighEntropy) => Ok(Threat::HighEntropy),
        _ => Err(ValueError::Threat(number)),
    }
}

/// The number of a threat in `entry.proto`.
pub(crate) fn number_of(threat: Threat) -> i32 {
    match threat {
        Threat::HighPredictionError => proto::Threat::HighPredictionError,
        Threat::LowDensity => proto::Threat::LowDensity,
        Threat::HighEntropy => proto::Threat::HighEntropy,
    }
    .into()
}

pub(super) fn encode_event(clock: Clock, sequence: u64, event: &Event) -> Bytes {
    encoded(&event_message(clock, sequence, event))
}

pub(super) fn event_message(clock: Clock, sequence: u64, event: &Event) -> proto::InterventionValue {
    let action = match event.action {
        Action::Nigredo => proto::Action::Nigredo,
        Action::Albedo => proto::Action::Albedo,
    };
    let automatic = event.automatic.as_ref().map(|AutomaticCause { threat, follows }| proto::AutomaticCause {
        threat: number_of(*threat),
        follows: follows
            .as_ref()
            .map(|(clock, origin)| proto::EventName { clock: Some((*clock).into()), origin: Some(origin.into()) }),
    });
    let (clock, k) = (Some(clock.into()), event.k);
    proto::InterventionValue { clock, sequence, action: action.into(), k, automatic }
}

pub(super) fn encode_retirement(Retirement { counted, nigredo, author }: &Retirement) -> Bytes {
    let (nigredo, author) = (nigredo.map(Into::into), author_message(author.as_ref()));
    encoded(&proto::RetiredValue { counted: *counted, nigredo, author })
}
