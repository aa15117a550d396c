//! Moments of the inputs.

use crate::compare::{
    same::{same, same_numbers},
    subject::{ShownField, Subject, SubjectWrites},
};
use crate::oracle::components::moments::{ExpectedMoments, Moments};

impl Subject for Moments {
    fn compare(expected: &ExpectedMoments, ShownField { view, .. }: ShownField<'_>) -> Result<(), String> {
        let ExpectedMoments { count, mean, variance, standard_deviation } = expected;
        same("count", *count, view.moments.count)?;
        for moments in &view.moments.parts {
            same("count of a moments entry", *count, moments.count())?;
        }
        same_numbers("mean", mean.as_deref(), view.mean().as_deref())?;
        same_numbers("variance", variance.as_deref(), view.variance().as_deref())?;
        same_numbers("standard deviation", standard_deviation.as_deref(), view.standard_deviation().as_deref())
    }

    fn hash(ShownField { view, .. }: ShownField<'_>, hasher: &mut blake3::Hasher) {
        hasher.update(&view.moments.count.to_le_bytes());
        for moments in &view.moments.parts {
            hasher.update(&moments.encode());
        }
    }
}

impl SubjectWrites for Moments {}
