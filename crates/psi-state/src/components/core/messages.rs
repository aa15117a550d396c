//! Parts of messages that several lanes of engine `core` share.

use psi_engine::LATENT_MAX;
use psi_replica::Clock;

use crate::{
    component::value::{ValueError, at_most},
    proto,
};

/// Numbers in one entry of `THETA`.
pub(crate) const NUMBERS_PER_ENTRY: usize = 8000;
/// Vectors that an origin keeps at most in one lane.
pub(super) const VECTORS_MAX: u64 = 4096;
/// Numbers of a vector are below this in size; those that the engine makes are below 2.
const NUMBER_LIMIT: f64 = 1e100;
/// The largest number of a transition, which stands for 2^14.
const THETA_LIMIT: u64 = 1 << 62;

pub(super) fn theta(value: proto::ThetaValue) -> Result<Vec<i64>, ValueError> {
    let numbers = value.numbers;
    at_most(numbers.len(), NUMBERS_PER_ENTRY)?;
    if numbers.iter().any(|number| number.unsigned_abs() > THETA_LIMIT) {
        return Err(ValueError::Number);
    }
    Ok(numbers)
}

pub(super) fn vector(value: proto::VectorValue) -> Result<(Clock, Vec<f64>), ValueError> {
    let proto::VectorValue { clock, numbers, salience } = value;
    at_most(numbers.len(), LATENT_MAX)?;
    let fits = |number: &f64| number.abs() < NUMBER_LIMIT;
    if !numbers.iter().all(fits) || !fits(&salience) || salience < 0.0 {
        return Err(ValueError::Number);
    }
    Ok((clock.ok_or(ValueError::NoClock)?.into(), numbers))
}

pub(super) fn vector_value(clock: Clock, numbers: Vec<f64>, salience: f64) -> proto::VectorValue {
    proto::VectorValue { clock: Some(clock.into()), numbers, salience }
}

/// The upper and the lower 64 bits of a number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the two halves of a number")]
pub(super) fn halves(number: i128) -> (i64, u64) {
    ((number >> 64) as i64, number as u64)
}

/// The number of these halves.
pub(super) fn joined(high: i64, low: u64) -> i128 {
    (i128::from(high) << 64) | i128::from(low)
}
