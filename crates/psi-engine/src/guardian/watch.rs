//! From a step to an intervention: the red flag and the cooldown.

use std::collections::VecDeque;

use super::statistics::Statistics;
use super::thresholds::{HISTORY_MAX, Sample, Threat, Thresholds};
use crate::{Action, Metrics};

/// This many steps must have passed since the last intervention before the guardian intervenes again.
pub const COOLDOWN_STEPS: u64 = 100;

/// What the guardian makes of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The threat that this step is, if it is one.
    pub threat: Option<Threat>,
    /// The red flag after this step: why it is up, or that it is down.
    pub flag: Option<Threat>,
    /// What is to be done now. The flag is down then.
    pub intervention: Option<Action>,
}

/// Judges a step.
///
/// `flag` is the flag before it; `steps_since_intervention` counts from the last intervention to this step, whose own
/// counts as one, and is none if there was no intervention. A threat raises the flag with its reason, in place of an
/// earlier reason. While the flag is up and no intervention was made in the last [`COOLDOWN_STEPS`] steps, one is made
/// for the flag's reason and the flag is cleared, be the step itself a threat or not.
pub fn judge(
    sample: &Sample,
    thresholds: &Thresholds,
    flag: Option<Threat>,
    steps_since_intervention: Option<u64>,
) -> Verdict {
    let threat = thresholds.threat(sample);
    let raised = threat.or(flag);
    let rested = steps_since_intervention.is_none_or(|steps| steps >= COOLDOWN_STEPS);
    let intervention = raised.filter(|_| rested).map(Threat::action);
    Verdict { threat, flag: raised.filter(|_| intervention.is_none()), intervention }
}

/// The guardian of one field on one node alone, for replay: keeps the history, the flag and its own interventions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watch {
    /// Oldest first.
    history: VecDeque<Sample>,
    flag: Option<Threat>,
    interventions: u64,
    last_step: Option<u64>,
}

impl Watch {
    /// Takes the metrics of step `k` into the history, judges it, and keeps count. The caller applies the intervention.
    pub fn observe(&mut self, k: u64, metrics: &Metrics) -> Verdict {
        let sample = Sample::from(metrics);
        self.history.push_back(sample);
        if self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
        let since = self.last_step.map(|last| k.saturating_sub(last));
        let thresholds = Thresholds::of(self.history.make_contiguous());
        let verdict = judge(&sample, &thresholds, self.flag, since);
        self.flag = verdict.flag;
        if verdict.intervention.is_some() {
            self.interventions += 1;
            self.last_step = Some(k);
        }
        verdict
    }

    /// The thresholds that the latest step was judged by.
    pub fn thresholds(&self) -> Thresholds {
        Thresholds::of(&self.samples())
    }

    /// Statistics of the history.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.samples())
    }

    /// Why the red flag is up, or that it is down.
    pub fn flag(&self) -> Option<Threat> {
        self.flag
    }

    /// The guardian's interventions so far.
    pub fn interventions(&self) -> u64 {
        self.interventions
    }

    /// The step of the last of them.
    pub fn last_step(&self) -> Option<u64> {
        self.last_step
    }

    fn samples(&self) -> Vec<Sample> {
        self.history.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CALM: [f64; 3] = [0.5, 0.1, 1.0];
    const WRONG: [f64; 3] = [0.5, 2.5, 1.0];
    const THIN: [f64; 3] = [0.2, 0.1, 1.0];
    const WIDE: [f64; 3] = [0.5, 0.1, 2.3];

    fn metrics([density, prediction_error, temporal_entropy]: [f64; 3]) -> Metrics {
        Metrics { density, prediction_error, temporal_entropy, ..Metrics::from_array([0.0; 8]) }
    }

    /// (step, action) of each intervention on steps counted from 1.
    fn interventions(steps: impl IntoIterator<Item = [f64; 3]>) -> (Vec<(u64, Action)>, Watch) {
        let mut watch = Watch::default();
        let mut made = Vec::new();
        for (numbers, k) in steps.into_iter().zip(1..) {
            made.extend(watch.observe(k, &metrics(numbers)).intervention.map(|action| (k, action)));
        }
        (made, watch)
    }

    #[test]
    fn the_first_threat_is_met_at_once_with_its_remedy() {
        for (threat, want) in [(WRONG, Action::Nigredo), (THIN, Action::Albedo), (WIDE, Action::Nigredo)] {
            let (made, watch) = interventions([CALM, threat, CALM]);
            assert_eq!(made, [(2, want)]);
            assert_eq!((watch.flag(), watch.interventions(), watch.last_step()), (None, 1, Some(2)));
        }
    }

    #[test]
    fn a_flag_waits_for_the_end_of_the_cooldown() {
        // A threat at step 1, another at step 11: its flag stays up until step 101, and nothing happens to it before.
        let steps = |total: usize| {
            let mut steps = vec![CALM; total];
            (steps[0], steps[10]) = (WRONG, THIN);
            steps
        };
        // The history of 50 and more steps is calm but for the two, so that the calm steps are no threat.
        let (made, watch) = interventions(steps(100));
        assert_eq!(made, [(1, Action::Nigredo)]);
        assert_eq!(watch.flag(), Some(Threat::LowDensity));
        let (made, watch) = interventions(steps(150));
        assert_eq!(made, [(1, Action::Nigredo), (101, Action::Albedo)]);
        assert_eq!((watch.flag(), watch.interventions(), watch.last_step()), (None, 2, Some(101)));
    }

    #[test]
    fn the_latest_reason_is_the_one_that_is_acted_on() {
        let mut steps = vec![CALM; 101];
        (steps[0], steps[10], steps[20]) = (WRONG, THIN, WIDE);
        assert_eq!(interventions(steps).0, [(1, Action::Nigredo), (101, Action::Nigredo)]);
    }

    #[test]
    fn the_sample_under_test_is_part_of_the_history() {
        // The 50th sample makes the thresholds adaptive: among 49 errors of 0.1, one of 0.2 is beyond the 95th
        // percentile.
        let mut steps = vec![CALM; 50];
        steps[49] = [0.5, 0.2, 1.0];
        assert_eq!(interventions(steps.clone()).0, [(50, Action::Nigredo)]);
        steps.remove(0);
        assert_eq!(interventions(steps).0, []);
    }

    #[test]
    fn only_the_latest_two_hundred_count() {
        let steps = std::iter::repeat_n(WRONG, 300).chain(std::iter::repeat_n(CALM, 200));
        let watch = interventions(steps).1;
        let statistics = watch.statistics();
        assert_eq!((statistics.samples, statistics.prediction_error.max), (200, 0.1));
        assert!(watch.thresholds().adaptive && watch.thresholds().error_high == 0.1);
    }

    proptest! {
        #[test]
        fn interventions_are_never_closer_than_the_cooldown(
            steps in prop::collection::vec(prop_oneof![Just(CALM), Just(WRONG), Just(THIN), Just(WIDE)], 0..500),
        ) {
            let (made, watch) = interventions(steps);
            prop_assert!(made.windows(2).all(|pair| pair[1].0 - pair[0].0 >= COOLDOWN_STEPS));
            prop_assert_eq!(made.len() as u64, watch.interventions());
        }
    }
}
