//! Interventions as messages.

use psi_engine::{Action, guardian::Threat};
use psi_replica::{Clock, Origin};

use super::events::{AutomaticCause, Event};
#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{component::value::ValueError, proto};

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
