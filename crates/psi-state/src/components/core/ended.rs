//! Entries of the base: what ended origins learned and remembered, and whose it is.

use bytes::Bytes;
use psi_engine::{LATENT_MAX, RETENTION_MAX, WORKING_CAPACITY_MAX, core::EPISODIC_CAPACITY};
use psi_replica::{Clock, Lane, Origin};
use psi_stats::BUCKETS;

use super::messages::{self, NUMBERS_PER_ENTRY, VECTORS_MAX};
#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        moment::Place,
        value::{ValueError, at_most, encoded, message, slot_below},
    },
    proto,
};

/// In the base, the latest latents of ended origins.
pub const ENDED_LATENTS: Lane = Lane(proto::Lane::EndedLatents as u32);
/// In the base, where the latest working memories of ended origins stand.
pub const ENDED_WORKING: Lane = Lane(proto::Lane::EndedWorking as u32);
/// In the base, the latest memories of ended origins.
pub const ENDED_EPISODIC: Lane = Lane(proto::Lane::EndedEpisodic as u32);
/// In the base, the ended origins whose transitions weigh by recent steps.
pub const ENDED_LEARNERS: Lane = Lane(proto::Lane::EndedLearners as u32);
/// In the base, the transitions of those.
pub const ENDED_THETA: Lane = Lane(proto::Lane::EndedTheta as u32);
/// In the base, the sum of all other transitions of ended origins.
pub const ENDED_THETA_SUM: Lane = Lane(proto::Lane::EndedThetaSum as u32);

/// Lanes that only the base has.
pub(super) const LANES: [Lane; 6] =
    [ENDED_LATENTS, ENDED_WORKING, ENDED_EPISODIC, ENDED_LEARNERS, ENDED_THETA, ENDED_THETA_SUM];

/// Vectors in one entry: of the greatest length, some 36 kB.
pub(super) const VECTORS_PER_ENTRY: usize = 32;
/// Places in one entry of [`ENDED_WORKING`]: with the longest names some 30 kB.
pub(super) const PLACES_PER_ENTRY: usize = 256;
/// Most learners: those whose latest steps are the latest. It bounds the base where origins end by the hundred in a
/// minute; the others count as if their steps were older.
pub(super) const LEARNERS_MAX: usize = 64;
/// Entries that a transition of the greatest length takes.
const THETA_ENTRIES: u64 = (LATENT_MAX * LATENT_MAX).div_ceil(NUMBERS_PER_ENTRY) as u64;
/// Numbers in one entry of [`ENDED_THETA_SUM`], 16 bytes each.
pub(super) const SUMS_PER_ENTRY: usize = 4000;

/// A vector of an ended origin, at its place among that origin's own.
pub(crate) type EndedVector = (Place, Vec<f64>);

/// What the base keeps of what ended origins learned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EndedValue {
    Latents(Vec<EndedVector>),
    Working(Vec<Place>),
    Episodic(Vec<EndedVector>),
    Learner(Learner),
    Theta { author: Origin, numbers: Vec<i64> },
    ThetaSum(SumPart),
}

/// An ended origin whose transition weighs by its recent steps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Learner {
    pub(crate) author: Origin,
    pub(crate) updates: u64,
    /// Its steps by second.
    pub(crate) recent: Vec<(u64, u64)>,
}

impl Learner {
    /// Its place among learners: by its latest step.
    pub(crate) fn place(&self) -> (Option<u64>, &Origin) {
        (self.recent.last().map(|(second, _)| *second), &self.author)
    }
}

/// A part of the sum of all other transitions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SumPart {
    pub(crate) numbers: Vec<i128>,
    /// All updates; only in the first part.
    pub(crate) updates: u64,
    /// How many transitions there are; only in the first part.
    pub(crate) transitions: u64,
}

/// The last index of a lane of the base.
pub(super) fn last_index(lane: Lane) -> u64 {
    let entries = match lane {
        ENDED_LATENTS => RETENTION_MAX.div_ceil(VECTORS_PER_ENTRY),
        ENDED_WORKING => WORKING_CAPACITY_MAX.div_ceil(PLACES_PER_ENTRY),
        ENDED_EPISODIC => EPISODIC_CAPACITY.div_ceil(VECTORS_PER_ENTRY),
        ENDED_THETA_SUM => (LATENT_MAX * LATENT_MAX).div_ceil(SUMS_PER_ENTRY),
        ENDED_THETA => return theta_index(LEARNERS_MAX as u64, 0) - 1,
        _ => LEARNERS_MAX,
    };
    entries as u64 - 1
}

/// Where the base keeps a part of a learner's transition.
pub(super) fn theta_index(learner: u64, part: u64) -> u64 {
    learner * THETA_ENTRIES + part
}

/// Which part of a transition stands at an index of [`ENDED_THETA`].
pub(super) fn theta_part(index: u64) -> u64 {
    index % THETA_ENTRIES
}

impl EndedValue {
    pub(super) fn decode(lane: Lane, bytes: &Bytes) -> Result<Self, ValueError> {
        match lane {
            ENDED_LATENTS => decode_vectors(bytes).map(Self::Latents),
            ENDED_WORKING => decode_places(bytes).map(Self::Working),
            ENDED_EPISODIC => decode_vectors(bytes).map(Self::Episodic),
            ENDED_LEARNERS => decode_learner(bytes).map(Self::Learner),
            ENDED_THETA_SUM => decode_sum(bytes).map(Self::ThetaSum),
            _ => {
                let proto::EndedThetaValue { author, theta } = message(bytes)?;
                let numbers = messages::theta(theta.unwrap_or_default())?;
                Ok(Self::Theta { author: Origin::try_from(author)?, numbers })
            }
        }
    }

    pub(super) fn encode(&self) -> Bytes {
        match self {
            Self::Latents(vectors) | Self::Episodic(vectors) => encode_vectors(vectors),
            Self::Working(places) => encode_places(places),
            Self::Learner(learner) => encode_learner(learner),
            Self::Theta { author, numbers } => encode_theta(author, numbers),
            Self::ThetaSum(part) => encode_sum(part),
        }
    }

    pub(super) fn clock(&self) -> Option<Clock> {
        match self {
            Self::Latents(vectors) | Self::Episodic(vectors) => vectors.iter().map(|((clock, ..), _)| *clock).max(),
            Self::Working(places) => places.iter().map(|(clock, ..)| *clock).max(),
            Self::Learner(learner) => {
                let last = learner.recent.iter().map(|(second, _)| *second).max();
                last.map(|second| Clock { wall_ms: second.saturating_mul(1000), counter: 0 })
            }
            Self::Theta { .. } | Self::ThetaSum(_) => None,
        }
    }
}

fn ended_vectors(bytes: &Bytes, max: usize) -> Result<Vec<proto::EndedVector>, ValueError> {
    let vectors = message::<proto::EndedVectorsValue>(bytes)?.vectors;
    at_most(vectors.len(), max)?;
    Ok(vectors)
}

fn decode_vectors(bytes: &Bytes) -> Result<Vec<EndedVector>, ValueError> {
    let ended = |proto::EndedVector { author, slot, vector }| {
        let (clock, numbers) = messages::vector(vector.unwrap_or_default())?;
        Ok(((clock, Origin::try_from(author)?, slot_below(slot, VECTORS_MAX)?), numbers))
    };
    ended_vectors(bytes, VECTORS_PER_ENTRY)?.into_iter().map(ended).collect()
}

pub(super) fn encode_vectors(vectors: &[EndedVector]) -> Bytes {
    let ended = |((clock, author, slot), numbers): &EndedVector| {
        let vector = messages::vector_value(*clock, numbers.clone(), 0.0);
        proto::EndedVector { author: Some(author.into()), slot: *slot, vector: Some(vector) }
    };
    encoded(&proto::EndedVectorsValue { vectors: vectors.iter().map(ended).collect() })
}

fn decode_places(bytes: &Bytes) -> Result<Vec<Place>, ValueError> {
    let place = |proto::EndedVector { author, slot, vector }| {
        let clock = vector.and_then(|vector| vector.clock).ok_or(ValueError::NoClock)?.into();
        Ok((clock, Origin::try_from(author)?, slot_below(slot, VECTORS_MAX)?))
    };
    ended_vectors(bytes, PLACES_PER_ENTRY)?.into_iter().map(place).collect()
}

pub(super) fn encode_places(places: &[Place]) -> Bytes {
    let ended = |(clock, author, slot): &Place| {
        let vector = messages::vector_value(*clock, Vec::new(), 0.0);
        proto::EndedVector { author: Some(author.into()), slot: *slot, vector: Some(vector) }
    };
    encoded(&proto::EndedVectorsValue { vectors: places.iter().map(ended).collect() })
}

fn decode_learner(bytes: &Bytes) -> Result<Learner, ValueError> {
    let proto::LearnerValue { author, updates, recent } = message(bytes)?;
    at_most(recent.len(), usize::try_from(BUCKETS).unwrap_or(usize::MAX))?;
    let recent = recent.into_iter().map(|proto::RecentSteps { second, steps }| (second, steps)).collect();
    Ok(Learner { author: Origin::try_from(author)?, updates, recent })
}

pub(super) fn encode_learner(Learner { author, updates, recent }: &Learner) -> Bytes {
    let recent = recent.iter().map(|(second, steps)| proto::RecentSteps { second: *second, steps: *steps });
    encoded(&proto::LearnerValue { author: Some(author.into()), updates: *updates, recent: recent.collect() })
}

pub(super) fn encode_theta(author: &Origin, numbers: &[i64]) -> Bytes {
    let theta = proto::ThetaValue { numbers: numbers.to_vec() };
    encoded(&proto::EndedThetaValue { author: Some(author.into()), theta: Some(theta) })
}

fn decode_sum(bytes: &Bytes) -> Result<SumPart, ValueError> {
    let proto::ThetaSumValue { high, low, updates, transitions } = message(bytes)?;
    at_most(high.len(), SUMS_PER_ENTRY)?;
    if high.len() != low.len() {
        return Err(ValueError::Size { got: low.len(), max: high.len() });
    }
    let numbers = high.iter().zip(&low).map(|(high, low)| messages::joined(*high, *low)).collect();
    Ok(SumPart { numbers, updates, transitions })
}

pub(super) fn encode_sum(SumPart { numbers, updates, transitions }: &SumPart) -> Bytes {
    let (high, low) = numbers.iter().map(|number| messages::halves(*number)).unzip();
    encoded(&proto::ThetaSumValue { high, low, updates: *updates, transitions: *transitions })
}

#[cfg(test)]
impl EndedValue {
    /// See [`crate::component::Component::sample`]. Entries of one lane have no author in common.
    pub(super) fn sample(rng: &mut SampleRng) -> (Lane, u64, Self) {
        let part = rng.below(2);
        let vectors = |rng: &mut SampleRng| -> Vec<EndedVector> {
            (0..3).map(|slot| ((rng.clock(), rng.author(part), slot), rng.vector())).collect()
        };
        match rng.below(6) {
            0 => (ENDED_LATENTS, part, Self::Latents(vectors(rng))),
            1 => {
                let places = vectors(rng).into_iter().map(|(place, _)| place).collect();
                (ENDED_WORKING, part, Self::Working(places))
            }
            2 => (ENDED_EPISODIC, part, Self::Episodic(vectors(rng))),
            3 => {
                let recent = (0..3).map(|_| (rng.clock().second(), rng.below(9))).collect();
                let learner = Learner { author: learner(part), updates: rng.below(9), recent };
                (ENDED_LEARNERS, part, Self::Learner(learner))
            }
            4 => {
                let numbers = (0..4).map(|_| rng.bits().cast_signed() >> 20).collect();
                (ENDED_THETA, theta_index(part, 0), Self::Theta { author: learner(part), numbers })
            }
            _ => {
                let length = 4 - rng.below(100) / 95;
                let numbers = (0..length).map(|_| i128::from(rng.bits().cast_signed())).collect();
                let (updates, transitions) = (rng.below(9), rng.below(3));
                (ENDED_THETA_SUM, 0, Self::ThetaSum(SumPart { numbers, updates, transitions }))
            }
        }
    }
}

/// A learner has one slot in the base.
#[cfg(test)]
fn learner(part: u64) -> Origin {
    let node = psi_replica::NodeId::new("ended").expect("a name");
    Origin { node, incarnation: 1 + part }
}
