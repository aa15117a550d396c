//! Outcomes of experiments.

use crate::run::rounds::ROUND_MS;

/// What one burst took.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What it was drawn from.
    pub seed: u64,
    /// Links that stand.
    pub links: usize,
    /// From the last write until all digests were equal; `None` if they did not become so in two minutes.
    pub agreed_ms: Option<u64>,
    /// Frames sent from the first write until 300 ms after agreement.
    pub frames: u64,
    /// Their encoded bytes.
    pub bytes: u64,
    /// Encoded bytes of the entries that changed, once for each node that had to be told.
    pub needed_bytes: u64,
    /// What a link costs, both directions together, when nothing is written.
    pub idle_bytes_per_second: f64,
}

impl Outcome {
    /// Rounds of 250 ms that agreement took, the last one counted whole.
    #[must_use]
    pub fn rounds(&self) -> Option<u64> {
        Some(self.agreed_ms?.div_ceil(ROUND_MS))
    }

    /// Bytes sent for each byte that was needed.
    #[must_use]
    pub fn factor(&self) -> f64 {
        ratio(self.bytes, self.needed_bytes)
    }
}

/// What many bursts took.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// How many there were.
    pub bursts: usize,
    /// Seeds of those that did not agree in time.
    pub not_agreed: Vec<u64>,
    /// Half of those that agreed took no longer, milliseconds.
    pub agreed_ms_p50: u64,
    /// 99 of 100 of those that agreed took no longer.
    pub agreed_ms_p99: u64,
    /// The longest.
    pub agreed_ms_max: u64,
    /// The seed that took the longest.
    pub slowest: u64,
    /// Mean of [`Outcome::factor`].
    pub factor: f64,
    /// The greatest factor.
    pub factor_max: f64,
    /// The greatest of [`Outcome::idle_bytes_per_second`].
    pub idle_bytes_per_second_max: f64,
}

impl Summary {
    /// Rounds that half of the bursts did not exceed.
    #[must_use]
    pub fn rounds_p50(&self) -> u64 {
        self.agreed_ms_p50.div_ceil(ROUND_MS)
    }

    /// Rounds that 99 of 100 bursts did not exceed.
    #[must_use]
    pub fn rounds_p99(&self) -> u64 {
        self.agreed_ms_p99.div_ceil(ROUND_MS)
    }

    /// Sums up; `None` of nothing.
    #[must_use]
    pub fn of(outcomes: &[Outcome]) -> Option<Self> {
        let mut agreed: Vec<(u64, u64)> =
            outcomes.iter().filter_map(|outcome| Some((outcome.agreed_ms?, outcome.seed))).collect();
        agreed.sort_unstable();
        let factors = || outcomes.iter().map(Outcome::factor);
        let first = outcomes.first()?;
        Some(Self {
            bursts: outcomes.len(),
            not_agreed: outcomes.iter().filter(|outcome| outcome.agreed_ms.is_none()).map(|o| o.seed).collect(),
            agreed_ms_p50: percentile(&agreed, 50),
            agreed_ms_p99: percentile(&agreed, 99),
            agreed_ms_max: percentile(&agreed, 100),
            slowest: agreed.last().map_or(first.seed, |(_, seed)| *seed),
            factor: factors().sum::<f64>() / ratio(outcomes.len() as u64, 1),
            factor_max: factors().fold(0.0, f64::max),
            idle_bytes_per_second_max: outcomes.iter().map(|o| o.idle_bytes_per_second).fold(0.0, f64::max),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people; bytes of one run stay below 2^53")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// The least time that so many of a hundred did not exceed; 0 of none.
fn percentile(sorted: &[(u64, u64)], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0, |(ms, _)| *ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<(u64, u64)> = (1..=200).map(|ms| (ms, 0)).collect();
        for (percent, want) in [(50, 100), (99, 198), (100, 200)] {
            assert_eq!(percentile(&times, percent), want, "{percent}");
        }
        assert_eq!(percentile(&times[..1], 99), 1);
        assert_eq!(percentile(&[], 99), 0);
    }

    #[test]
    fn a_round_that_was_begun_counts() {
        let outcome = |agreed_ms| Outcome {
            seed: 0,
            links: 1,
            agreed_ms,
            frames: 0,
            bytes: 3,
            needed_bytes: 2,
            idle_bytes_per_second: 0.0,
        };
        assert_eq!(outcome(Some(250)).rounds(), Some(1));
        assert_eq!(outcome(Some(251)).rounds(), Some(2));
        assert_eq!(outcome(None).rounds(), None);
        assert_eq!(outcome(None).factor(), 1.5);
    }
}
