//! Buckets that are taken together, so that each group holds about a tenth of a baseline.

use crate::drift::column::COLUMN_BUCKETS;

/// A group holds at least one in so many inputs of the baseline.
const SHARE: u64 = 10;

/// The groups of one column: what lies below all that the baseline has seen, then groups of at least a tenth of it, then
/// what lies above. Each begins at a bucket and ends where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Groups {
    begins: Vec<usize>,
}

impl Groups {
    /// The groups for a baseline's counts of one column; of an empty one, all is below.
    pub(super) fn of(counts: &[u64; COLUMN_BUCKETS]) -> Self {
        let total: u64 = counts.iter().sum();
        let seen = || counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(bucket, _)| bucket);
        let (Some(first), Some(last)) = (seen().next(), seen().next_back()) else { return Self { begins: vec![0] } };
        let mut begins = vec![0, first];
        let (mut held, mut left) = (0, total);
        for (bucket, count) in counts.iter().enumerate().take(last).skip(first) {
            held += count;
            left -= count;
            // What is left of the baseline is to fill one more.
            if held * SHARE >= total && left * SHARE >= total {
                begins.push(bucket + 1);
                held = 0;
            }
        }
        begins.push(last + 1);
        Self { begins }
    }

    pub(super) fn len(&self) -> usize {
        self.begins.len()
    }

    /// The counts of each group.
    pub(super) fn counts<'a>(&'a self, counts: &'a [u64; COLUMN_BUCKETS]) -> impl Iterator<Item = u64> {
        let ends = self.begins.iter().skip(1).copied().chain([COLUMN_BUCKETS]);
        self.begins.iter().zip(ends).map(|(begin, end)| counts[*begin..end].iter().sum())
    }

    /// The population stability index of two sets of counts: Σ(p − q)·ln(p/q) over the groups. Half an input is added to
    /// each group, so that an empty one is no infinity.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn psi(&self, window: &[u64; COLUMN_BUCKETS], baseline: &[u64; COLUMN_BUCKETS]) -> f64 {
        let halves = self.len() as f64 / 2.0;
        let totals = [window, baseline].map(|counts| counts.iter().sum::<u64>() as f64 + halves);
        let pairs = self.counts(window).zip(self.counts(baseline));
        pairs.fold(0.0, |sum, (window, baseline)| {
            let (p, q) = ((window as f64 + 0.5) / totals[0], (baseline as f64 + 0.5) / totals[1]);
            sum + (p - q) * libm::log(p / q)
        })
    }
}
