//! What the guardian reports about its history.

use super::thresholds::{HIGH, Sample, percentile};

/// One metric over the guardian's history.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Mean.
    pub mean: f64,
    /// Population standard deviation.
    pub std: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
    /// 95th percentile, linear between order statistics.
    pub p95: f64,
}

impl Summary {
    /// All zeros of no numbers. The order in which `numbers` come changes no bit: they are sorted first.
    fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else { return Self::default() };
        let count = sorted.len() as f64;
        let mean = sorted.iter().fold(0.0, |sum, number| sum + number) / count;
        let squares = sorted.iter().fold(0.0, |sum, number| sum + (number - mean) * (number - mean));
        Self { mean, std: (squares / count).sqrt(), min, max, p95: percentile(&mut sorted, HIGH) }
    }
}

/// The three metrics that the guardian watches, over its history.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Samples in the history.
    pub samples: usize,
    /// Of Ψ.
    pub density: Summary,
    /// Of PE.
    pub prediction_error: Summary,
    /// Of H.
    pub temporal_entropy: Summary,
}

impl Statistics {
    /// The statistics of a history, in any order.
    pub fn of(history: &[Sample]) -> Self {
        Self {
            samples: history.len(),
            density: Summary::of(history.iter().map(|sample| sample.density)),
            prediction_error: Summary::of(history.iter().map(|sample| sample.prediction_error)),
            temporal_entropy: Summary::of(history.iter().map(|sample| sample.temporal_entropy)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the service that this replaces answered after three steps, one of them before the interventions.
    #[test]
    fn the_service_it_replaces_reported_the_same() {
        let density = 0.525_920_490_844_39;
        let history = [(0.0625, 0.080_283_063_401_168_77), (0.8625, 0.633_181_521_267_508_3)];
        let history = [history[0], history[1], history[1]].map(|(prediction_error, temporal_entropy)| Sample {
            density,
            prediction_error,
            temporal_entropy,
        });
        let got = Statistics::of(&history);
        assert_eq!(got.samples, 3);
        for (got, want) in [
            (got.density.mean, density),
            (got.density.std, 0.0),
            (got.density.min, density),
            (got.density.max, density),
            (got.prediction_error.mean, 0.595_833_333_333_333_3),
            (got.prediction_error.std, 0.377_123_616_632_825_34),
            (got.prediction_error.p95, 0.8625),
            (got.prediction_error.max, 0.8625),
            (got.temporal_entropy.mean, 0.448_882_035_312_061_8),
            (got.temporal_entropy.std, 0.260_638_832_576_582_2),
            (got.temporal_entropy.p95, 0.633_181_521_267_508_3),
            (got.temporal_entropy.max, 0.633_181_521_267_508_3),
        ] {
            assert!((got - want).abs() < 1e-15, "{got}, not {want}");
        }
        let mut reversed = history;
        reversed.reverse();
        assert_eq!(Statistics::of(&reversed), got);
    }

    #[test]
    fn no_history_is_all_zeros() {
        assert_eq!(Statistics::of(&[]), Statistics::default());
    }
}
