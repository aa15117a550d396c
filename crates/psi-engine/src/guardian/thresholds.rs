//! What the guardian takes for a threat: fixed thresholds at first, percentiles of the latest steps later.

use crate::{Action, Metrics};

/// How many of the latest steps the guardian looks at.
pub const HISTORY_MAX: usize = 200;

/// From this many steps on, thresholds adapt.
pub const ADAPTIVE_FROM: usize = 50;

/// How high a percentile is high; a low one is as far from the other end.
pub(super) const HIGH: f64 = 0.95;
pub(super) const LOW: f64 = 0.05;

/// What the guardian keeps of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Ψ.
    pub density: f64,
    /// PE.
    pub prediction_error: f64,
    /// H.
    pub temporal_entropy: f64,
}

impl From<&Metrics> for Sample {
    fn from(metrics: &Metrics) -> Self {
        Self {
            density: metrics.density,
            prediction_error: metrics.prediction_error,
            temporal_entropy: metrics.temporal_entropy,
        }
    }
}

/// Why the red flag goes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Threat {
    /// PE above its threshold.
    HighPredictionError,
    /// Ψ below its threshold.
    LowDensity,
    /// H above its threshold.
    HighEntropy,
}

impl Threat {
    /// All threats, in the order in which the guardian looks for them: the first that is found counts.
    pub const ALL: [Self; 3] = [Self::HighPredictionError, Self::LowDensity, Self::HighEntropy];

    /// The name used in answers, records and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HighPredictionError => "high_prediction_error",
            Self::LowDensity => "low_density",
            Self::HighEntropy => "high_entropy",
        }
    }

    /// What the guardian does about it.
    pub const fn action(self) -> Action {
        match self {
            Self::HighPredictionError | Self::HighEntropy => Action::Nigredo,
            Self::LowDensity => Action::Albedo,
        }
    }
}

/// Beyond which values a step is a threat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// PE above this is a threat.
    pub error_high: f64,
    /// Ψ below this is a threat.
    pub density_low: f64,
    /// H above this is a threat.
    pub entropy_high: f64,
    /// Whether these come from the history; else they are fixed.
    pub adaptive: bool,
}

impl Thresholds {
    /// The fixed ones.
    pub(super) const STATIC: Self = Self { error_high: 2.0, density_low: 0.25, entropy_high: 2.2, adaptive: false };

    /// The thresholds for a step whose own sample is part of `history`, in any order: fixed below
    /// [`ADAPTIVE_FROM`] samples, then the 95th percentiles of PE and H and the 5th of Ψ.
    pub fn of(history: &[Sample]) -> Self {
        if history.len() < ADAPTIVE_FROM {
            return Self::STATIC;
        }
        let percentile =
            |of: fn(&Sample) -> f64, fraction| percentile(&mut history.iter().map(of).collect::<Vec<_>>(), fraction);
        Self {
            error_high: percentile(|sample| sample.prediction_error, HIGH),
            density_low: percentile(|sample| sample.density, LOW),
            entropy_high: percentile(|sample| sample.temporal_entropy, HIGH),
            adaptive: true,
        }
    }

    /// The threat that `sample` is, if it is one.
    pub fn threat(&self, sample: &Sample) -> Option<Threat> {
        Threat::ALL.into_iter().find(|threat| match threat {
            Threat::HighPredictionError => sample.prediction_error > self.error_high,
            Threat::LowDensity => sample.density < self.density_low,
            Threat::HighEntropy => sample.temporal_entropy > self.entropy_high,
        })
    }
}

/// The `fraction` percentile of `numbers`, linear between order statistics, as numpy's default is; 0 of none. Leaves
/// `numbers` in another order.
pub(super) fn percentile(numbers: &mut [f64], fraction: f64) -> f64 {
    let Some((below, part)) = position(numbers.len(), fraction) else { return 0.0 };
    let (_, &mut lower, above) = numbers.select_nth_unstable_by(below, f64::total_cmp);
    let upper = above.iter().copied().min_by(f64::total_cmp).unwrap_or(lower);
    lower + (upper - lower) * part
}

/// [`percentile`] of numbers in ascending order.
pub(super) fn percentile_of_sorted(numbers: &[f64], fraction: f64) -> f64 {
    let Some((below, part)) = position(numbers.len(), fraction) else { return 0.0 };
    let (lower, upper) = (numbers[below], numbers[(below + 1).min(numbers.len() - 1)]);
    lower + (upper - lower) * part
}

/// Where the `fraction` percentile of so many numbers lies: the place of the one below it, from 0, and how far it is from
/// there to the next; `None` of none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
fn position(count: usize, fraction: f64) -> Option<(usize, f64)> {
    let last = count.checked_sub(1)?;
    let position = fraction * last as f64;
    let below = (position.floor() as usize).min(last);
    Some((below, position - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CALM: Sample = Sample { density: 0.5, prediction_error: 0.1, temporal_entropy: 1.0 };

    #[test]
    fn percentiles_lie_between_order_statistics() {
        for (numbers, fraction, want) in [
            (&[][..], 0.95, 0.0),
            (&[3.0], 0.95, 3.0),
            (&[2.0, 1.0], 0.95, 1.95),
            (&[4.0, 1.0, 3.0, 2.0], 0.5, 2.5),
            (&[5.0, 1.0, 4.0, 2.0, 3.0], 0.05, 1.2),
            (&[5.0, 1.0, 4.0, 2.0, 3.0], 1.0, 5.0),
            (&[5.0, 1.0, 4.0, 2.0, 3.0], 0.0, 1.0),
        ] {
            let got = percentile(&mut numbers.to_vec(), fraction);
            assert!((got - want).abs() < 1e-15, "{numbers:?} at {fraction}: {got}");
        }
        // What numpy.percentile gives for 1 to 200.
        let mut numbers: Vec<f64> = (1..=200).map(f64::from).collect();
        assert!((percentile(&mut numbers, HIGH) - 190.05).abs() < 1e-12);
        assert!((percentile(&mut numbers, LOW) - 10.95).abs() < 1e-12);
    }

    #[test]
    fn thresholds_are_fixed_below_fifty_samples() {
        for count in [0, 1, 49] {
            let thresholds = Thresholds::of(&vec![CALM; count]);
            assert_eq!(
                (thresholds.error_high, thresholds.density_low, thresholds.entropy_high, thresholds.adaptive),
                (2.0, 0.25, 2.2, false),
                "{count}"
            );
        }
        let adaptive = Thresholds::of(&[CALM; 50]);
        assert_eq!(adaptive, Thresholds { error_high: 0.1, density_low: 0.5, entropy_high: 1.0, adaptive: true });
    }

    #[test]
    fn the_first_threat_in_order_counts_and_a_threshold_itself_is_none() {
        use Threat::{HighEntropy, HighPredictionError, LowDensity};
        for (prediction_error, density, temporal_entropy, want) in [
            (2.0, 0.25, 2.2, None),
            (2.1, 0.1, 3.0, Some(HighPredictionError)),
            (2.0, 0.1, 3.0, Some(LowDensity)),
            (2.0, 0.25, 3.0, Some(HighEntropy)),
        ] {
            let sample = Sample { density, prediction_error, temporal_entropy };
            assert_eq!(Thresholds::STATIC.threat(&sample), want, "{sample:?}");
        }
    }

    #[test]
    fn each_threat_has_its_remedy() {
        let remedies = Threat::ALL.map(|threat| (threat.as_str(), threat.action()));
        let want = [
            ("high_prediction_error", Action::Nigredo),
            ("low_density", Action::Albedo),
            ("high_entropy", Action::Nigredo),
        ];
        assert_eq!(remedies, want);
    }

    proptest! {
        #[test]
        fn a_percentile_is_the_one_by_sorting(
            numbers in prop::collection::vec(-10.0..10.0, 1..60), fraction in 0.0..=1.0,
        ) {
            let got = percentile(&mut numbers.clone(), fraction);
            let mut sorted = numbers;
            sorted.sort_by(f64::total_cmp);
            let position = fraction * (sorted.len() - 1) as f64;
            let between = |(pair, below): (&[f64], u32)| {
                let part = position - f64::from(below);
                (0.0..=1.0).contains(&part).then(|| pair[0] + (pair[1] - pair[0]) * part)
            };
            let want = sorted.windows(2).zip(0..).find_map(between).unwrap_or(sorted[0]);
            prop_assert!((got - want).abs() < 1e-12, "{} and {}", got, want);
        }

        #[test]
        fn the_order_of_the_history_does_not_matter(mut history in prop::collection::vec(
            (0.0..1.0, 0.0..3.0, 0.0..3.0).prop_map(|(density, prediction_error, temporal_entropy)| Sample {
                density, prediction_error, temporal_entropy,
            }), 0..HISTORY_MAX)
        ) {
            let before = Thresholds::of(&history);
            history.sort_by(|left, right| left.density.total_cmp(&right.density));
            prop_assert_eq!(before, Thresholds::of(&history));
        }
    }
}
