//! Values of the lanes of engine `core`.

use psi_engine::LATENT_MAX;

use super::{
    Bytes, COUNT_LIMIT, Clock, FieldTime, Key, Lane, MEMORIES_PER_ENTRY, Message, NUMBERS_PER_ENTRY, Tally,
    VECTORS_MAX, Value, ValueError, at_index, message, proto, up_to,
};

/// Numbers of a vector are below this in size; those that the engine makes are below 2.
const NUMBER_LIMIT: f64 = 1e100;
/// The largest number of a transition, which stands for 2^14.
const THETA_LIMIT: u64 = 1 << 62;

impl Value {
    pub(super) fn decode_tally(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        at_index(key, 0)?;
        let proto::TallyValue { updates, time_high, time_low, memories } = message(bytes)?;
        if updates.max(memories) >= COUNT_LIMIT {
            return Err(ValueError::Number);
        }
        let time = FieldTime((i128::from(time_high) << 64) | i128::from(time_low));
        Ok(Self::Tally(Tally { updates, time, memories }))
    }

    pub(super) fn decode_theta(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        up_to(key, (LATENT_MAX * LATENT_MAX).div_ceil(NUMBERS_PER_ENTRY) as u64 - 1)?;
        let numbers = message::<proto::ThetaValue>(bytes)?.numbers;
        if !(1..=NUMBERS_PER_ENTRY).contains(&numbers.len()) {
            return Err(ValueError::Size { got: numbers.len(), max: NUMBERS_PER_ENTRY });
        }
        if numbers.iter().any(|number| number.unsigned_abs() > THETA_LIMIT) {
            return Err(ValueError::Number);
        }
        Ok(Self::Theta { numbers })
    }

    pub(super) fn decode_vector(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        up_to(key, VECTORS_MAX - 1)?;
        let value: proto::VectorValue = message(bytes)?;
        let salience = value.salience;
        let (clock, numbers) = vector(value)?;
        Ok(match key.lane {
            Lane::WORKING => Self::Working { clock, salience, numbers },
            _ => Self::Latent { clock, numbers },
        })
    }

    pub(super) fn decode_memories(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        up_to(key, VECTORS_MAX / MEMORIES_PER_ENTRY as u64 - 1)?;
        let memories = message::<proto::MemoriesValue>(bytes)?.memories;
        if !(1..=MEMORIES_PER_ENTRY).contains(&memories.len()) {
            return Err(ValueError::Size { got: memories.len(), max: MEMORIES_PER_ENTRY });
        }
        Ok(Self::Memories(memories.into_iter().map(vector).collect::<Result<_, _>>()?))
    }
}

fn vector(value: proto::VectorValue) -> Result<(Clock, Vec<f64>), ValueError> {
    let proto::VectorValue { clock, numbers, salience } = value;
    if !(1..=LATENT_MAX).contains(&numbers.len()) {
        return Err(ValueError::Size { got: numbers.len(), max: LATENT_MAX });
    }
    let fits = |number: &f64| number.abs() < NUMBER_LIMIT;
    if !numbers.iter().all(fits) || !fits(&salience) || salience < 0.0 {
        return Err(ValueError::Number);
    }
    Ok((clock.ok_or(ValueError::NoClock)?.into(), numbers))
}

/// Encodes sums for [`Lane::TALLY`].
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the two halves of a number")]
pub(crate) fn encode_tally(tally: &Tally) -> Bytes {
    let FieldTime(time) = tally.time;
    proto::TallyValue {
        updates: tally.updates,
        time_high: (time >> 64) as i64,
        time_low: time as u64,
        memories: tally.memories,
    }
    .encode_to_vec()
    .into()
}

/// Encodes numbers of a transition for [`Lane::THETA`].
pub(crate) fn encode_theta(numbers: &[i64]) -> Bytes {
    proto::ThetaValue { numbers: numbers.to_vec() }.encode_to_vec().into()
}

/// Encodes a vector for [`Lane::LATENTS`] or [`Lane::WORKING`].
pub(crate) fn encode_vector(clock: Clock, numbers: &[f64], salience: f64) -> Bytes {
    vector_value(clock, numbers.to_vec(), salience).encode_to_vec().into()
}

/// Encodes memories for [`Lane::EPISODIC`].
pub(crate) fn encode_memories(memories: impl Iterator<Item = (Clock, Vec<f64>)>) -> Bytes {
    let memories = memories.map(|(clock, numbers)| vector_value(clock, numbers, 0.0)).collect();
    proto::MemoriesValue { memories }.encode_to_vec().into()
}

fn vector_value(clock: Clock, numbers: Vec<f64>, salience: f64) -> proto::VectorValue {
    proto::VectorValue { clock: Some(clock.into()), numbers, salience }
}
