//! Moments of the metrics of the latest minute.

use psi_stats::Scale;

use crate::compare::{
    same::{same, same_numbers},
    subject::{ShownField, Subject, SubjectWrites},
};
use crate::oracle::components::windows::{ExpectedWindow, Windows};

impl Subject for Windows {
    fn compare(expected: &ExpectedWindow, shown: ShownField<'_>) -> Result<(), String> {
        let ExpectedWindow { count, mean, variance } = expected;
        let (window, scale) = (&shown.view.window, Scale::default());
        same("steps in the window", *count, window.count())?;
        same_numbers("mean of the window", mean.as_deref(), window.mean(scale).as_deref())?;
        same_numbers("variance of the window", variance.as_deref(), window.variance(scale).as_deref())
    }

    fn hash(shown: ShownField<'_>, hasher: &mut blake3::Hasher) {
        hasher.update(&shown.view.window.encode());
    }
}

impl SubjectWrites for Windows {}
