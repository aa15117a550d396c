//! What a comparison comes to where nothing has changed: how a baseline wanders by itself.
//!
//! Rows of telemetry depend on each other, so that a window of a thousand says no more than a few dozen independent rows.
//! The baseline is cut into parts, and each is compared with the rest. What that gives, in units of what independent rows
//! would give, has a mean and a variance; a multiple of a χ² distribution with these stands for it, and the ratio of a
//! later comparison to it has an F distribution.

use super::f_distribution;
use crate::drift::column::COLUMN_BUCKETS;

/// Two groups that are alike in every part come to no less, and no parts to more.
const MEAN_MIN: f64 = 0.5;
const MEAN_MAX: f64 = 1e15;
/// No baseline is cut into more parts.
const PARTS_MAX: f64 = 128.0;

/// What the parts of a baseline come to, for one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Null {
    /// The mean PSI of a part, in units of 1/n + 1/rest; at least what independent rows have.
    pub mean: f64,
    /// Degrees of freedom of that distribution.
    pub freedom: f64,
    /// How many parts they were taken from.
    pub parts: f64,
}

impl Null {
    /// Whether some parts could come to this.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let Self { mean, freedom, parts } = *self;
        let most = as_f64(COLUMN_BUCKETS);
        (MEAN_MIN..MEAN_MAX).contains(&mean) && (1.0..=most).contains(&freedom) && (1.0..=PARTS_MAX).contains(&parts)
    }

    /// The null of PSIs in units of 1/n + 1/rest, by the number of groups. Needs two parts.
    pub(super) fn of(parts: &[f64], groups: usize) -> Self {
        let independent = as_f64(groups) - 1.0;
        let count = as_f64(parts.len());
        let mean = parts.iter().fold(0.0, |sum, part| sum + part) / count;
        let squares = parts.iter().fold(0.0, |sum, part| sum + (part - mean) * (part - mean));
        let variance = squares / (count - 1.0);
        let freedom = if variance > 0.0 { 2.0 * mean * mean / variance } else { independent };
        Self { mean: mean.max(independent), freedom: freedom.clamp(1.0, independent.max(1.0)), parts: count }
    }

    /// What a PSI comes to by itself, where `unit` is 1/n + 1/baseline.
    pub(super) fn expected(&self, unit: f64) -> f64 {
        self.mean * unit
    }

    /// How probable a PSI of at least so much is by itself.
    pub(super) fn probability(&self, psi: f64, unit: f64) -> f64 {
        f_distribution::above(psi / self.expected(unit), self.freedom, self.parts * self.freedom)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few dozen")]
fn as_f64(number: usize) -> f64 {
    number as f64
}
