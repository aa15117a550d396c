//! The latest steps that the guardian has seen, kept sorted: thresholds are read from them at each step that it looks at,
//! and only one or two samples differ from one to the next.

use super::thresholds::{ADAPTIVE_FROM, HIGH, LOW, Sample, Thresholds, percentile_of_sorted};

/// Samples, as many as the caller puts in, in no order but that of their numbers.
#[derive(Clone, Debug, Default)]
pub struct History {
    densities: SortedNumbers,
    errors: SortedNumbers,
    entropies: SortedNumbers,
}

impl History {
    /// Takes a sample in.
    pub fn insert(&mut self, sample: &Sample) {
        self.densities.insert(sample.density);
        self.errors.insert(sample.prediction_error);
        self.entropies.insert(sample.temporal_entropy);
    }

    /// Takes a sample out that was put in before; of one that was not, nothing is left out that is there.
    pub fn remove(&mut self, sample: &Sample) {
        self.densities.remove(sample.density);
        self.errors.remove(sample.prediction_error);
        self.entropies.remove(sample.temporal_entropy);
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.densities.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What [`Thresholds::of`] gives for these samples, to the last bit.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        if self.len() < ADAPTIVE_FROM {
            return Thresholds::STATIC;
        }
        Thresholds {
            error_high: percentile_of_sorted(&self.errors.0, HIGH),
            density_low: percentile_of_sorted(&self.densities.0, LOW),
            entropy_high: percentile_of_sorted(&self.entropies.0, HIGH),
            adaptive: true,
        }
    }
}

/// Numbers in ascending order.
#[derive(Clone, Debug, Default)]
struct SortedNumbers(Vec<f64>);

impl SortedNumbers {
    fn insert(&mut self, number: f64) {
        let place = self.0.partition_point(|held| held.total_cmp(&number).is_lt());
        self.0.insert(place, number);
    }

    fn remove(&mut self, number: f64) {
        if let Ok(place) = self.0.binary_search_by(|held| held.total_cmp(&number)) {
            self.0.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> impl Strategy<Value = Sample> {
        // Few different numbers, so that many are equal.
        (0..12, 0..12, 0..12).prop_map(|(density, error, entropy)| Sample {
            density: f64::from(density) / 7.0,
            prediction_error: f64::from(error) / 7.0,
            temporal_entropy: f64::from(entropy) / 7.0,
        })
    }

    proptest! {
        #[test]
        fn thresholds_are_those_of_the_samples_that_are_left(
            samples in prop::collection::vec((sample(), any::<bool>()), 0..150),
        ) {
            let mut history = History::default();
            samples.iter().for_each(|(sample, _)| history.insert(sample));
            let (out, left): (Vec<_>, Vec<_>) = samples.iter().partition(|(_, out)| *out);
            out.iter().for_each(|(sample, _)| history.remove(sample));
            let left: Vec<Sample> = left.iter().map(|(sample, _)| *sample).collect();
            prop_assert_eq!(history.thresholds(), Thresholds::of(&left));
            prop_assert_eq!((history.len(), history.is_empty()), (left.len(), left.is_empty()));
        }
    }
}
