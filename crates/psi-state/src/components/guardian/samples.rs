//! Samples as messages.

use psi_engine::guardian::Sample;
use psi_replica::Clock;

use crate::{component::value::ValueError, proto};

#[inline]
pub(crate) fn sample_of(sample: proto::Sample) -> Result<(Clock, Sample), ValueError> {
    let proto::Sample { wall_ms, counter, density, prediction_error, temporal_entropy } = sample;
    let sample = Sample { density, prediction_error, temporal_entropy };
    let is_finite = [density, prediction_error, temporal_entropy].iter().all(|metric| metric.is_finite());
    if !is_finite {
        return Err(ValueError::Metrics);
    }
    Ok((Clock { wall_ms, counter }, sample))
}

#[inline]
pub(crate) fn sample_message((clock, sample): &(Clock, Sample)) -> proto::Sample {
    let Sample { density, prediction_error, temporal_entropy } = *sample;
    proto::Sample { wall_ms: clock.wall_ms, counter: clock.counter, density, prediction_error, temporal_entropy }
}
