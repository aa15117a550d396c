//! Entries of the lanes of engine `core`.

use bytes::Bytes;
use psi_engine::core::FieldTime;
use psi_replica::{Clock, Key, Lane};
use psi_stats::COUNT_LIMIT;

use super::{
    ended::{self, EndedValue},
    messages::{halves, joined, theta, vector, vector_value},
};
#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::value::{ValueError, at_most, encoded, message},
    proto,
};

/// Exact sums of engine `core`.
pub const TALLY: Lane = Lane(proto::Lane::Tally as u32);
/// The transition of engine `core`, 8,000 numbers an entry.
pub const THETA: Lane = Lane(proto::Lane::Theta as u32);
/// The latest latents of engine `core`.
pub const LATENTS: Lane = Lane(proto::Lane::Latents as u32);
/// The working memory of engine `core`.
pub const WORKING: Lane = Lane(proto::Lane::Working as u32);
/// The episodic memory of engine `core`, 8 memories an entry.
pub const EPISODIC: Lane = Lane(proto::Lane::Episodic as u32);

/// Memories in one entry of [`EPISODIC`].
pub(crate) const MEMORIES_PER_ENTRY: usize = 8;

/// What an origin's steps added up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Updates of its transition.
    pub(crate) updates: u64,
    /// Sum of effective steps.
    pub(crate) time: FieldTime,
    /// Memories taken, those no longer kept included.
    pub(crate) memories: u64,
}

/// What an origin writes of what it learned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CoreValue {
    Tally(Tally),
    Theta(Vec<i64>),
    Latent {
        clock: Clock,
        numbers: Vec<f64>,
    },
    Working {
        clock: Clock,
        salience: f64,
        numbers: Vec<f64>,
    },
    Memories(Vec<(Clock, Vec<f64>)>),
    /// In the base, what ended origins left.
    Ended(EndedValue),
}

impl CoreValue {
    pub(super) fn decode(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        match key.lane {
            TALLY => decode_tally(bytes),
            THETA => decode_theta(bytes),
            EPISODIC => {
                let memories = message::<proto::MemoriesValue>(bytes)?.memories;
                // None, once its origin has given them up.
                at_most(memories.len().max(1), MEMORIES_PER_ENTRY)?;
                Ok(Self::Memories(memories.into_iter().map(vector).collect::<Result<_, _>>()?))
            }
            lane if ended::LANES.contains(&lane) => EndedValue::decode(lane, bytes).map(Self::Ended),
            lane => {
                let value: proto::VectorValue = message(bytes)?;
                let salience = value.salience;
                let (clock, numbers) = vector(value)?;
                Ok(if lane == LATENTS {
                    Self::Latent { clock, numbers }
                } else {
                    Self::Working { clock, salience, numbers }
                })
            }
        }
    }

    pub(super) fn encode(&self) -> Bytes {
        match self {
            Self::Tally(tally) => encode_tally(tally),
            Self::Theta(numbers) => encode_theta(numbers),
            Self::Latent { clock, numbers } => encode_vector(*clock, numbers, 0.0),
            Self::Working { clock, salience, numbers } => encode_vector(*clock, numbers, *salience),
            Self::Memories(memories) => encode_memories(memories.iter().cloned()),
            Self::Ended(ended) => ended.encode(),
        }
    }

    /// See [`crate::component::Component::sample`].
    #[cfg(test)]
    pub(super) fn sample(rng: &mut SampleRng) -> (Lane, u64, Self) {
        match rng.below(6) {
            0 => {
                let huge = if rng.chance(20) { COUNT_LIMIT } else { 9 };
                let (updates, memories) = (rng.below(huge), rng.below(huge));
                (TALLY, 0, Self::Tally(Tally { updates, time: rng.time(), memories }))
            }
            1 => {
                let shift = if rng.chance(10) { 1 } else { 17 };
                let length = 4 - rng.below(100) / 95;
                (THETA, 0, Self::Theta((0..length).map(|_| (rng.bits().cast_signed() >> 1) >> shift).collect()))
            }
            2 => (LATENTS, rng.below(6), Self::Latent { clock: rng.clock(), numbers: rng.vector() }),
            3 => {
                let (clock, salience) = (rng.clock(), rng.unit());
                (WORKING, rng.below(6), Self::Working { clock, salience, numbers: rng.vector() })
            }
            4 => {
                let (lane, index, ended) = EndedValue::sample(rng);
                (lane, index, Self::Ended(ended))
            }
            _ => {
                let memories = (0..=rng.below(8).min(7)).map(|_| (rng.clock(), rng.vector())).collect();
                (EPISODIC, rng.below(4), Self::Memories(memories))
            }
        }
    }

    pub(super) fn clock(&self) -> Option<Clock> {
        match self {
            Self::Tally(_) | Self::Theta(_) => None,
            Self::Latent { clock, .. } | Self::Working { clock, .. } => Some(*clock),
            Self::Memories(memories) => memories.iter().map(|(clock, _)| *clock).max(),
            Self::Ended(ended) => ended.clock(),
        }
    }
}

fn decode_tally(bytes: &Bytes) -> Result<CoreValue, ValueError> {
    let proto::TallyValue { updates, time_high, time_low, memories } = message(bytes)?;
    if updates.max(memories) >= COUNT_LIMIT {
        return Err(ValueError::Number);
    }
    let time = FieldTime(joined(time_high, time_low));
    Ok(CoreValue::Tally(Tally { updates, time, memories }))
}

fn decode_theta(bytes: &Bytes) -> Result<CoreValue, ValueError> {
    theta(message(bytes)?).map(CoreValue::Theta)
}

pub(super) fn encode_tally(tally: &Tally) -> Bytes {
    let Tally { updates, time: FieldTime(time), memories } = *tally;
    let (time_high, time_low) = halves(time);
    encoded(&proto::TallyValue { updates, time_high, time_low, memories })
}

pub(super) fn encode_theta(numbers: &[i64]) -> Bytes {
    encoded(&proto::ThetaValue { numbers: numbers.to_vec() })
}

pub(super) fn encode_vector(clock: Clock, numbers: &[f64], salience: f64) -> Bytes {
    encoded(&vector_value(clock, numbers.to_vec(), salience))
}

pub(super) fn encode_memories(memories: impl Iterator<Item = (Clock, Vec<f64>)>) -> Bytes {
    let memories = memories.map(|(clock, numbers)| vector_value(clock, numbers, 0.0)).collect();
    encoded(&proto::MemoriesValue { memories })
}
