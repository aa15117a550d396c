//! Entries of the base: samples of ended origins, and whose they are.

use bytes::Bytes;
use psi_engine::guardian::{HISTORY_MAX, Sample};
#[cfg(test)]
use psi_replica::Clock;
use psi_replica::Origin;

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        moment::Place,
        value::{ValueError, at_most, encoded, message, slot_below},
    },
    components::guardian::samples::{sample_message, sample_of},
    proto,
};

/// A sample of an ended origin.
pub(crate) type EndedSample = (Place, Sample);

pub(crate) fn decode(bytes: &Bytes) -> Result<Vec<EndedSample>, ValueError> {
    let samples = message::<proto::EndedHistoryValue>(bytes)?.samples;
    at_most(samples.len(), HISTORY_MAX)?;
    samples.into_iter().map(ended_sample_of).collect()
}

fn ended_sample_of(ended: proto::EndedSample) -> Result<EndedSample, ValueError> {
    let proto::EndedSample { author, slot, sample } = ended;
    let (clock, sample) = sample_of(sample.unwrap_or_default())?;
    Ok(((clock, Origin::try_from(author)?, slot_below(slot, HISTORY_MAX as u64)?), sample))
}

pub(crate) fn encode(samples: &[EndedSample]) -> Bytes {
    encoded(&proto::EndedHistoryValue { samples: samples.iter().map(ended_sample_message).collect() })
}

fn ended_sample_message(((clock, author, slot), sample): &EndedSample) -> proto::EndedSample {
    let (author, sample) = (Some(author.into()), Some(sample_message(&(*clock, *sample))));
    proto::EndedSample { author, slot: *slot, sample }
}

/// Such samples as some base could hold.
#[cfg(test)]
pub(crate) fn sample(
    rng: &mut SampleRng,
    mut sample: impl FnMut(&mut SampleRng) -> (Clock, Sample),
) -> Vec<EndedSample> {
    let count = 1 + rng.below(20);
    let mut placed = |slot| {
        let (clock, sample) = sample(rng);
        ((clock, rng.author(0), slot), sample)
    };
    (0..count).map(&mut placed).collect()
}
