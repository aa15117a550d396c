//! Entries of the intervention lanes.

use bytes::Bytes;
use psi_engine::{Action, guardian::Threat};
use psi_replica::{Clock, Key, Lane, Origin};

use super::events::{AutomaticCause, Event, Retirement};
#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::value::{ValueError, at_index, encoded, message},
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
}

impl InterventionValue {
    pub(super) fn decode(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        if key.lane == RETIRED {
            let proto::RetiredValue { counted, nigredo } = message(bytes)?;
            return Ok(Self::Retired(Retirement { counted, nigredo: nigredo.map(Into::into) }));
        }
        let proto::InterventionValue { clock, sequence, action, k, automatic } = message(bytes)?;
        let action = match proto::Action::try_from(action) {
            Ok(proto::Action::Nigredo) => Action::Nigredo,
            Ok(proto::Action::Albedo) => Action::Albedo,
            _ => return Err(ValueError::Action(action)),
        };
        let automatic = automatic.map(AutomaticCause::try_from).transpose()?;
        let event = Event { action, k, automatic };
        at_index(key, event.index(sequence))?;
        Ok(Self::Event { clock: clock.ok_or(ValueError::NoClock)?.into(), sequence, event })
    }

    pub(super) fn encode(&self) -> Bytes {
        match self {
            Self::Event { clock, sequence, event } => encode_event(*clock, *sequence, event),
            Self::Retired(retirement) => encode_retirement(*retirement),
        }
    }

    #[cfg(test)]
    pub(super) fn sample(rng: &mut SampleRng) -> (Lane, u64, Self) {
        let clock = rng.clock();
        if rng.chance(30) {
            let nigredo = rng.chance(50).then_some(clock);
            return (RETIRED, 0, Self::Retired(Retirement { counted: rng.below(3), nigredo }));
        }
        let (action, sequence) = (if rng.chance(50) { Action::Nigredo } else { Action::Albedo }, rng.below(200));
        let follows = rng.chance(50).then(|| (rng.clock(), rng.origin()));
        let automatic = rng.chance(70).then(|| AutomaticCause { threat: rng.threat(), follows });
        let event = Event { action, k: rng.below(300), automatic };
        (INTERVENTIONS, event.index(sequence), Self::Event { clock, sequence, event })
    }
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
    encoded(&proto::InterventionValue { clock, sequence, action: action.into(), k, automatic })
}

pub(super) fn encode_retirement(Retirement { counted, nigredo }: Retirement) -> Bytes {
    encoded(&proto::RetiredValue { counted, nigredo: nigredo.map(Into::into) })
}
