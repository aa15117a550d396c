//! The canary beside the champion: what one gate asks for, and what it says.

use super::{
    estimate::{BUCKETS_MIN, Estimate, Quantity},
    judgement::{Comparison, Gate, HoldReason, Judgement, Verdict},
    sequence::radius,
};
use crate::{
    assignment::Arm,
    measure::{MARGIN_UNITS, Measure, UNITS_MAX},
    outcome::Outcomes,
    text::{number, percentage},
};

/// Below this error rate of the champion, PASS allows the canary so many errors more, where it else allows twice the
/// champion's. Half a percent: at 0 errors no canary could pass.
pub const ERROR_RATE_FLOOR: f64 = 0.005;
/// A canary is not called bad for a part of the margin of latency that is this small: caches of a new version are cold. A
/// guess: at a threshold of 1.5 a canary may be 1.1 times as slow.
pub const LATENCY_SLACK: f64 = 0.2;

/// A mean beyond this many units is one of values that were cut: it says nothing of their difference.
#[expect(clippy::cast_precision_loss, reason = "a power of two")]
const FARTHEST: f64 = (UNITS_MAX / 2) as f64;

/// What a gate compares, and how far apart it may lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Threshold<'a> {
    /// The greatest excess of errors.
    ErrorRate(f64),
    /// The greatest multiple of the champion's mean latency.
    Latency(f64),
    /// A measure, and its place in the plan.
    Measure(usize, &'a Measure),
}

/// What one gate of one step asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits<'a> {
    pub(super) threshold: Threshold<'a>,
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

impl Threshold<'_> {
    fn gate(&self) -> Gate {
        match self {
            Self::ErrorRate(_) => Gate::ErrorRate,
            Self::Latency(_) => Gate::Latency,
            Self::Measure(_, measure) => Gate::Measure(measure.subject().clone()),
        }
    }

    fn quantity(&self) -> Quantity {
        match self {
            Self::ErrorRate(_) => Quantity::Errors,
            Self::Latency(_) => Quantity::Latency,
            Self::Measure(place, _) => Quantity::Measure(*place),
        }
    }

    /// A difference as people know it: a share, milliseconds, or what the step said.
    fn shown(&self, difference: f64) -> f64 {
        match self {
            Self::ErrorRate(_) => difference,
            Self::Latency(_) => difference / 1_000.0,
            Self::Measure(_, measure) => measure.value(difference),
        }
    }

    /// The same as text.
    fn text(&self, difference: f64) -> String {
        let shown = self.shown(difference);
        match self {
            Self::ErrorRate(_) => percentage(shown),
            Self::Latency(_) => format!("{shown:.3} ms"),
            Self::Measure(..) => number(shown),
        }
    }
}

impl Limits<'_> {
    /// PASS where the canary is surely below its limit, FAIL where it is surely above what is tolerated.
    pub(super) fn judge(&self, canary: &Outcomes, champion: &Outcomes) -> Judgement {
        let (quantity, gate) = (self.threshold.quantity(), self.threshold.gate());
        let (own, other) = (Estimate::new(quantity, canary), Estimate::new(quantity, champion));
        let (own, other) = match self.threshold {
            Threshold::Measure(..) => own.of_common_spread(other),
            Threshold::ErrorRate(_) | Threshold::Latency(_) => (own, other),
        };
        let missing = [(Arm::Canary, &own), (Arm::Champion, &other)]
            .into_iter()
            .find_map(|(arm, estimate)| self.missing(arm, estimate));
        if let Some(reason) = missing {
            let verdict = Verdict::Hold(HoldReason::InsufficientData);
            return Judgement { gate, verdict, reason, comparison: None };
        }
        let comparison = self.compare(&own, &other);
        let verdict = comparison.verdict();
        let reason = self.reason(verdict, &comparison, (&own, &other));
        let comparison = Some(comparison.map(|difference| self.threshold.shown(difference)));
        Judgement { gate, verdict, reason, comparison }
    }

    /// What is missing of a version, in words.
    fn missing(&self, arm: Arm, estimate: &Estimate) -> Option<String> {
        let (steps, buckets) = (estimate.steps, estimate.buckets);
        let what = match self.threshold {
            Threshold::ErrorRate(_) => "an outcome".to_owned(),
            Threshold::Latency(_) => "a latency".to_owned(),
            Threshold::Measure(_, measure) => format!("a key and {}", measure.subject()),
        };
        if steps == 0 {
            return Some(format!("no step of the {arm} has {what} yet, and {} are needed", self.steps_min));
        }
        if steps < self.steps_min {
            return Some(format!("{steps} steps of the {arm} have {what}, and {} are needed", self.steps_min));
        }
        if let Threshold::Measure(_, measure) = self.threshold
            && estimate.mean.abs() >= FARTHEST
        {
            let mean = number(measure.value(estimate.mean));
            return Some(format!("the mean of the {arm} is {mean}, too far off for this margin: give a larger one"));
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
        let variance = |estimate: &Estimate| effect * estimate.variance(self.threshold.quantity(), rate);
        (
            variance(canary) + tolerated.factor * tolerated.factor * variance(champion),
            effect * canary.skew(self.threshold.quantity()),
        )
    }

    /// Variance and skew of the limit's distance from the canary, if the canary is at its limit: that is what PASS must
    /// rule out. A canary without errors yet knows little of them.
    fn spread_at_limit(&self, limit: Ceiling, canary: &Estimate, champion: &Estimate) -> (f64, f64) {
        let (rate, quantity) = (champion.rate(), self.threshold.quantity());
        let effect = |estimate: &Estimate| estimate.design_effect().factor(self.alpha);
        let own = effect(canary) * canary.variance(quantity, limit.of(rate));
        let other = effect(champion) * champion.variance(quantity, rate);
        (own + limit.factor * limit.factor * other, limit.factor * effect(champion) * champion.skew(quantity))
    }

    /// What is tolerated, the limit of PASS, and the margin, which is above 0.
    fn bounds(&self, champion: f64) -> (Ceiling, Ceiling, f64) {
        let plain = |factor, excess| Ceiling { factor, excess };
        match self.threshold {
            Threshold::ErrorRate(threshold) => {
                let margin = threshold.min(champion.max(ERROR_RATE_FLOOR));
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
            Threshold::Latency(threshold) => {
                let share = threshold - 1.0;
                // A champion that takes no time at all leaves a microsecond.
                let excess = f64::from(champion < 1.0);
                let tolerated = plain(1.0 + LATENCY_SLACK * share, 0.0);
                (tolerated, plain(threshold, excess), share * champion + excess)
            }
            Threshold::Measure(..) => {
                (plain(1.0, LATENCY_SLACK * MARGIN_UNITS), plain(1.0, MARGIN_UNITS), MARGIN_UNITS)
            }
        }
    }

    fn reason(&self, verdict: Verdict, comparison: &Comparison, (canary, champion): (&Estimate, &Estimate)) -> String {
        let number = |mean: f64| self.threshold.text(mean);
        let radius = |radius: f64| number(radius).trim_start_matches('-').to_owned();
        let (what, above, below) = match &self.threshold {
            Threshold::ErrorRate(_) => ("error rate".to_owned(), "above", "below"),
            Threshold::Latency(_) => ("mean latency".to_owned(), "above", "below"),
            Threshold::Measure(_, measure) if measure.margin() > 0.0 => {
                (format!("mean {}", measure.subject()), "above", "below")
            }
            Threshold::Measure(_, measure) => (format!("mean {}", measure.subject()), "below", "above"),
        };
        let bad =
            format!("surely {above} {} (± {})", number(comparison.tolerated), radius(comparison.tolerated_radius));
        let good = format!("surely {below} {} (± {})", number(comparison.limit), radius(comparison.limit_radius));
        let finding = match verdict {
            Verdict::Fail => bad,
            Verdict::Pass => good,
            Verdict::Hold(_) => format!("neither {bad} nor {good}"),
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
