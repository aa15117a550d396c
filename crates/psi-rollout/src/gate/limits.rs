//! The canary beside the champion: what one gate asks for, and what it says.

use super::{
    estimate::{BUCKETS_MIN, Estimate},
    judgement::{Comparison, Gate, HoldReason, Judgement, Verdict},
    sequence::radius,
};
use crate::{assignment::Arm, outcome::Outcomes, text::percentage};

/// Below this error rate of the champion, PASS allows the canary so many errors more, where it else allows twice the
/// champion's. Half a percent: at 0 errors no canary could pass.
pub const ERROR_RATE_FLOOR: f64 = 0.005;
/// A canary is not called bad for a part of the margin of latency that is this small: caches of a new version are cold. A
/// guess: at a threshold of 1.5 a canary may be 1.1 times as slow.
pub const LATENCY_SLACK: f64 = 0.2;

/// What one gate of one step asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) gate: Gate,
    pub(super) threshold: f64,
    pub(super) alpha: f64,
    pub(super) steps_min: u64,
}

/// A bound that depends on the champion: `factor` times its mean, and `excess`.
#[derive(Clone, Copy)]
struct Ceiling {
    factor: f64,
    excess: f64,
}

impl Ceiling {
    fn of(self, champion: f64) -> f64 {
        self.factor * champion + self.excess
    }
}

impl Limits {
    /// PASS where the canary is surely below its limit, FAIL where it is surely above what is tolerated.
    pub(super) fn judge(&self, canary: &Outcomes, champion: &Outcomes) -> Judgement {
        let (own, other) = (Estimate::new(self.gate, canary), Estimate::new(self.gate, champion));
        let missing = [(Arm::Canary, &own), (Arm::Champion, &other)]
            .into_iter()
            .find_map(|(arm, estimate)| self.missing(arm, estimate));
        if let Some(reason) = missing {
            let verdict = Verdict::Hold(HoldReason::InsufficientData);
            return Judgement { gate: self.gate, verdict, reason, comparison: None };
        }
        let comparison = self.compare(&own, &other);
        let verdict = comparison.verdict();
        let reason = self.reason(verdict, &comparison, (&own, &other));
        Judgement { gate: self.gate, verdict, reason, comparison: Some(comparison.in_units_of(self.gate)) }
    }

    /// What is missing of a version, in words.
    fn missing(&self, arm: Arm, estimate: &Estimate) -> Option<String> {
        let (steps, buckets) = (estimate.steps, estimate.buckets);
        let what = match self.gate {
            Gate::ErrorRate => "an outcome",
            Gate::Latency => "a latency",
        };
        if steps == 0 {
            return Some(format!("no step of the {arm} has {what} yet, and {} are needed", self.steps_min));
        }
        if steps < self.steps_min {
            return Some(format!("{steps} steps of the {arm} have {what}, and {} are needed", self.steps_min));
        }
        (buckets < BUCKETS_MIN).then(|| {
            format!(
                "the keys of the {arm} lie in {buckets} of 64 buckets, and {BUCKETS_MIN} are needed: send more \
                 different keys"
            )
        })
    }

    fn compare(&self, canary: &Estimate, champion: &Estimate) -> Comparison {
        let (tolerated, limit, margin) = self.bounds(champion.mean);
        // The sequence is most sensitive to a difference of the size of the margin.
        let within = |(variance, skew)| radius(variance, skew, margin, self.alpha);
        Comparison {
            canary: canary.mean,
            champion: champion.mean,
            tolerated: tolerated.of(champion.mean),
            tolerated_radius: within(self.spread_of_equals(tolerated, canary, champion)),
            limit: limit.of(champion.mean),
            limit_radius: within(self.spread_at_limit(limit, canary, champion)),
        }
    }

    /// Variance and skew of the canary's distance from what is tolerated, if both versions are alike: that is what FAIL
    /// must rule out. By the canary's own errors alone its bound would be wider the worse it is.
    fn spread_of_equals(&self, tolerated: Ceiling, canary: &Estimate, champion: &Estimate) -> (f64, f64) {
        let rate = canary.common_rate(champion);
        let effect = canary.design_effect().pooled(champion.design_effect()).factor(self.alpha);
        let variance = |estimate: &Estimate| effect * estimate.variance(self.gate, rate);
        (variance(canary) + tolerated.factor * tolerated.factor * variance(champion), effect * canary.skew(self.gate))
    }

    /// Variance and skew of the limit's distance from the canary, if the canary is at its limit: that is what PASS must
    /// rule out. A canary without errors yet knows little of them.
    fn spread_at_limit(&self, limit: Ceiling, canary: &Estimate, champion: &Estimate) -> (f64, f64) {
        let rate = champion.rate();
        let effect = |estimate: &Estimate| estimate.design_effect().factor(self.alpha);
        let own = effect(canary) * canary.variance(self.gate, limit.of(rate));
        let other = effect(champion) * champion.variance(self.gate, rate);
        (own + limit.factor * limit.factor * other, limit.factor * effect(champion) * champion.skew(self.gate))
    }

    /// What is tolerated, the limit of PASS, and the margin, which is above 0.
    fn bounds(&self, champion: f64) -> (Ceiling, Ceiling, f64) {
        let plain = |factor, excess| Ceiling { factor, excess };
        match self.gate {
            Gate::ErrorRate => {
                let margin = self.threshold.min(champion.max(ERROR_RATE_FLOOR));
                // Not above 100 %, where everything would pass.
                let room = 1.0 - champion;
                let limit = if margin > room {
                    plain(1.0, room)
                } else if margin == champion {
                    plain(2.0, 0.0)
                } else {
                    plain(1.0, margin)
                };
                (plain(1.0, 0.0), limit, margin)
            }
            Gate::Latency => {
                let share = self.threshold - 1.0;
                // A champion that takes no time at all leaves a microsecond.
                let excess = f64::from(champion < 1.0);
                let tolerated = plain(1.0 + LATENCY_SLACK * share, 0.0);
                (tolerated, plain(self.threshold, excess), share * champion + excess)
            }
        }
    }

    fn reason(&self, verdict: Verdict, comparison: &Comparison, (canary, champion): (&Estimate, &Estimate)) -> String {
        let number = |mean: f64| match self.gate {
            Gate::ErrorRate => percentage(mean),
            Gate::Latency => format!("{:.3} ms", mean / 1_000.0),
        };
        let what = match self.gate {
            Gate::ErrorRate => "error rate",
            Gate::Latency => "mean latency",
        };
        let (tolerated, limit) = (number(comparison.tolerated), number(comparison.limit));
        let (above, below) = (number(comparison.tolerated_radius), number(comparison.limit_radius));
        let finding = match verdict {
            Verdict::Fail => format!("surely above {tolerated} (± {above})"),
            Verdict::Pass => format!("surely below {limit} (± {below})"),
            Verdict::Hold(_) => {
                format!("neither surely above {tolerated} (± {above}) nor surely below {limit} (± {below})")
            }
        };
        format!(
            "{what} of the canary {} over {} steps, of the champion {} over {}: {finding}",
            number(canary.mean),
            canary.steps,
            number(champion.mean),
            champion.steps,
        )
    }
}
