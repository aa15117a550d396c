//! Values of the guardian's lanes.

use super::{
    Action, Alarm, Automatic, Bytes, Clock, Event, HISTORY_ENTRIES, Key, Message, Origin, Retired, SAMPLES_PER_ENTRY,
    Sample, Threat, Value, ValueError, at_index, message, proto, up_to,
};

impl Value {
    pub(super) fn decode_intervention(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        let proto::InterventionValue { clock, sequence, action, k, automatic } = message(bytes)?;
        let action = match proto::Action::try_from(action) {
            Ok(proto::Action::Nigredo) => Action::Nigredo,
            Ok(proto::Action::Albedo) => Action::Albedo,
            _ => return Err(ValueError::Action(action)),
        };
        let automatic = automatic.map(Automatic::try_from).transpose()?;
        let event = Event { action, k, automatic };
        at_index(key, event.index(sequence))?;
        Ok(Self::Intervention { clock: clock.ok_or(ValueError::NoClock)?.into(), event })
    }

    pub(super) fn decode_history(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        up_to(key, HISTORY_ENTRIES - 1)?;
        let samples = message::<proto::HistoryValue>(bytes)?.samples;
        if !(1..=SAMPLES_PER_ENTRY).contains(&samples.len()) {
            return Err(ValueError::Size { got: samples.len(), max: SAMPLES_PER_ENTRY });
        }
        let sample = |sample: proto::Sample| {
            let proto::Sample { wall_ms, counter, density, prediction_error, temporal_entropy } = sample;
            let metrics = [density, prediction_error, temporal_entropy];
            let sample = Sample { density, prediction_error, temporal_entropy };
            let is_finite = metrics.iter().all(|metric| metric.is_finite());
            is_finite.then_some((Clock { wall_ms, counter }, sample)).ok_or(ValueError::Metrics)
        };
        Ok(Self::History { samples: samples.into_iter().map(sample).collect::<Result<_, _>>()? })
    }

    pub(super) fn decode_guardian(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        at_index(key, 0)?;
        let proto::GuardianValue { threat, clock, retired, retired_nigredo } = message(bytes)?;
        let alarm = match threat {
            0 => None,
            number => Some(Alarm { threat: threat_of(number)?, clock: clock.ok_or(ValueError::NoClock)?.into() }),
        };
        Ok(Self::Guardian { alarm, retired: Retired { counted: retired, nigredo: retired_nigredo.map(Into::into) } })
    }
}

impl TryFrom<proto::Automatic> for Automatic {
    type Error = ValueError;

    fn try_from(proto::Automatic { threat, follows }: proto::Automatic) -> Result<Self, ValueError> {
        let follows = match follows {
            None => None,
            Some(proto::EventName { clock, origin }) => {
                Some((clock.ok_or(ValueError::NoClock)?.into(), Origin::try_from(origin)?))
            }
        };
        Ok(Self { threat: threat_of(threat)?, follows })
    }
}

fn threat_of(number: i32) -> Result<Threat, ValueError> {
    match proto::Threat::try_from(number) {
        Ok(proto::Threat::HighPredictionError) => Ok(Threat::HighPredictionError),
        Ok(proto::Threat::LowDensity) => Ok(Threat::LowDensity),
        Ok(proto::Threat::HighEntropy) => Ok(Threat::HighEntropy),
        _ => Err(ValueError::Threat(number)),
    }
}

fn number_of(threat: Threat) -> i32 {
    match threat {
        Threat::HighPredictionError => proto::Threat::HighPredictionError,
        Threat::LowDensity => proto::Threat::LowDensity,
        Threat::HighEntropy => proto::Threat::HighEntropy,
    }
    .into()
}

/// Encodes an event for [`crate::Lane::INTERVENTIONS`].
pub(crate) fn encode_intervention(clock: Clock, sequence: u64, event: &Event) -> Bytes {
    let action = match event.action {
        Action::Nigredo => proto::Action::Nigredo,
        Action::Albedo => proto::Action::Albedo,
    };
    let automatic = event.automatic.as_ref().map(|Automatic { threat, follows }| proto::Automatic {
        threat: number_of(*threat),
        follows: follows
            .as_ref()
            .map(|(clock, origin)| proto::EventName { clock: Some((*clock).into()), origin: Some(origin.into()) }),
    });
    proto::InterventionValue { clock: Some(clock.into()), sequence, action: action.into(), k: event.k, automatic }
        .encode_to_vec()
        .into()
}

/// Encodes samples for [`crate::Lane::HISTORY`].
pub(crate) fn encode_history(samples: &[(Clock, Sample)]) -> Bytes {
    let sample = |(clock, sample): &(Clock, Sample)| proto::Sample {
        wall_ms: clock.wall_ms,
        counter: clock.counter,
        density: sample.density,
        prediction_error: sample.prediction_error,
        temporal_entropy: sample.temporal_entropy,
    };
    proto::HistoryValue { samples: samples.iter().map(sample).collect() }.encode_to_vec().into()
}

/// Encodes what an origin's guardian has seen and done, for [`crate::Lane::GUARDIAN`].
pub(crate) fn encode_guardian(alarm: Option<Alarm>, retired: Retired) -> Bytes {
    proto::GuardianValue {
        threat: alarm.map_or(0, |alarm| number_of(alarm.threat)),
        clock: alarm.map(|alarm| alarm.clock.into()),
        retired: retired.counted,
        retired_nigredo: retired.nigredo.map(Into::into),
    }
    .encode_to_vec()
    .into()
}
