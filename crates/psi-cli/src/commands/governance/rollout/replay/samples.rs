//! What gates compared, look by look. Of many looks, some are kept: a picture shows no more.

use psi_rollout::{Gate, Judgement, gate::Comparison};

/// So many looks are kept at most.
const SAMPLES_MAX: usize = 4_096;

/// What was compared at looks, in their order.
#[derive(Debug)]
pub(super) struct Samples {
    list: Vec<Sample>,
    /// One look of so many is kept.
    stride: u64,
    looks: u64,
}

/// One look.
#[derive(Clone, Debug)]
struct Sample {
    /// Since the rollout began.
    ms: u64,
    comparisons: Vec<(Gate, Option<Comparison>)>,
}

impl Default for Samples {
    fn default() -> Self {
        Self { list: Vec::new(), stride: 1, looks: 0 }
    }
}

impl Samples {
    pub(super) fn push(&mut self, ms: u64, judgements: &[Judgement]) {
        self.looks += 1;
        if !(self.looks - 1).is_multiple_of(self.stride) {
            return;
        }
        let comparisons = judgements.iter().map(|judgement| (judgement.gate.clone(), judgement.comparison)).collect();
        self.list.push(Sample { ms, comparisons });
        if self.list.len() == SAMPLES_MAX {
            let mut place = 0;
            self.list.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.stride *= 2;
        }
    }

    /// What one gate compared, with the milliseconds since the rollout began; `None` where there was too little.
    pub(super) fn of(&self, gate: &Gate) -> impl Iterator<Item = (u64, Option<Comparison>)> {
        self.list.iter().map(move |sample| {
            let of_gate = sample.comparisons.iter().find(|(other, _)| other == gate);
            (sample.ms, of_gate.and_then(|(_, comparison)| *comparison))
        })
    }

    /// The gates, in the order of the plan.
    pub(super) fn gates(&self) -> Vec<Gate> {
        let judged = self.list.iter().find(|sample| !sample.comparisons.is_empty());
        judged.into_iter().flat_map(|sample| &sample.comparisons).map(|(gate, _)| gate.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_looks_a_few_thousand_are_kept_evenly() {
        let mut samples = Samples::default();
        (0..100_000).for_each(|ms| samples.push(ms, &[]));
        let kept: Vec<u64> = samples.of(&Gate::Latency).map(|(ms, _)| ms).collect();
        assert!((SAMPLES_MAX / 2 - 1..=SAMPLES_MAX).contains(&kept.len()), "{}", kept.len());
        let gaps: std::collections::BTreeSet<u64> = kept.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(gaps.len(), 1, "{gaps:?}");
    }
}
