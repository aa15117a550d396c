//! H: how widely the numbers of the present, of what it reminds of and of the moment spread.

use super::numeric::{SPREAD_GUARD, mean_and_std};

const BINS: usize = 32;

/// The entropy in nats of a histogram of `numbers` with [`BINS`] equal bins from their least to their greatest; the
/// last bin is closed on both sides. Never negative; 0 if all numbers are equal.
///
/// The numbers are standardised first. Each bin's share is count/n over 1 + ε_h·width: the densities over (their sum +
/// ε_h) with the width cancelled, which can't overflow.
pub(crate) fn temporal_entropy(numbers: &[f64]) -> f64 {
    let (mean, std) = mean_and_std(numbers);
    let standardised: Vec<f64> = numbers.iter().map(|number| (number - mean) / (std + SPREAD_GUARD)).collect();
    let low = standardised.iter().fold(f64::INFINITY, |low, &number| low.min(number));
    let high = standardised.iter().fold(f64::NEG_INFINITY, |high, &number| high.max(number));
    let Some(bins) = Bins::over(low, high) else { return 0.0 };
    let mut counts = [0_u32; BINS];
    for number in standardised {
        counts[bins.bin_of(number)] += 1;
    }
    let total = numbers.len() as f64 * (1.0 + SPREAD_GUARD * bins.width);
    // The least and the greatest are in different bins, so that no share is near 1 and its logarithm above 0.
    counts.iter().filter(|&&count| count > 0).fold(0.0, |entropy, &count| {
        let share = f64::from(count) / total;
        entropy - share * libm::log(share + SPREAD_GUARD)
    })
}

/// [`BINS`] bins of one width; each holds its lower edge, and the last its upper edge too.
struct Bins {
    low: f64,
    high: f64,
    width: f64,
}

impl Bins {
    /// Bins from the least to the greatest number; none if there is no room between them.
    fn over(low: f64, high: f64) -> Option<Self> {
        let width = (high - low) / BINS as f64;
        (width > 0.0).then_some(Self { low, high, width })
    }

    fn edge(&self, bin: usize) -> f64 {
        if bin == BINS { self.high } else { bin as f64 * self.width + self.low }
    }

    /// The bin whose edges enclose `number`. Rounding can put the quotient one off.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the bins")]
    fn bin_of(&self, number: f64) -> usize {
        let bin = ((number - self.low) / self.width).clamp(0.0, (BINS - 1) as f64) as usize;
        if number < self.edge(bin) {
            bin - 1
        } else if bin < BINS - 1 && number >= self.edge(bin + 1) {
            bin + 1
        } else {
            bin
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_numbers_have_no_entropy() {
        for numbers in [&[][..], &[0.0; 96], &[0.3; 7], &[f64::MIN_POSITIVE; 3]] {
            assert_eq!(temporal_entropy(numbers), 0.0, "{numbers:?}");
        }
    }

    #[test]
    fn entropy_is_that_of_the_shares() {
        // Two bins with a quarter and three quarters; the guards move the tenth decimal at most.
        let entropy = temporal_entropy(&[-1.0, 2.0, 2.0, 2.0]);
        assert!((entropy - 0.562_335_144_618_808).abs() < 1e-7, "{entropy}");
        // A number in the middle of each bin, and one at each end: the last bin is closed on both sides.
        let numbers: Vec<f64> = [0.0, 32.0].into_iter().chain((0..32).map(|bin| f64::from(bin) + 0.5)).collect();
        let want = 30.0 / 34.0 * 34_f64.ln() + 4.0 / 34.0 * 17_f64.ln();
        assert!((temporal_entropy(&numbers) - want).abs() < 1e-6, "{}", temporal_entropy(&numbers));
    }

    proptest! {
        #[test]
        fn a_bin_holds_its_lower_edge_and_not_its_upper(low in -3.0..3.0, span in 0.1..7.0, bin in 1_usize..BINS) {
            let bins = Bins::over(low, low + span).unwrap();
            prop_assert_eq!(bins.bin_of(bins.edge(bin)), bin);
            prop_assert_eq!(bins.bin_of(bins.edge(bin).next_down()), bin - 1);
            prop_assert_eq!((bins.bin_of(bins.low), bins.bin_of(bins.high)), (0, BINS - 1));
        }

        #[test]
        fn entropy_is_finite_and_at_most_that_of_equal_shares(
            numbers in prop::collection::vec(prop_oneof![-2.0..2.0, -1e-310..1e-310, Just(0.0), -1e150..1e150], 0..120),
        ) {
            let entropy = temporal_entropy(&numbers);
            prop_assert!((0.0..=32_f64.ln() + 1e-6).contains(&entropy), "{}", entropy);
        }
    }
}
