//! Plans of rollouts, what their gates say, and what was counted of their versions.

use psi_rollout::{Judgement, Outcomes, Percent, Plan, PlanInput, Verdict};

use crate::v1;

/// What is left out has its default, and a threshold of 0 turns its gate off.
impl From<v1::RolloutPlan> for PlanInput {
    fn from(plan: v1::RolloutPlan) -> Self {
        let default = Self::default();
        let v1::RolloutPlan { schedule, window_ms, minimum_predictions, error_rate, latency, metrics, drift_severity } =
            plan;
        let needs_champion = !metrics.is_empty() || drift_severity != 0.0;
        let or = |given: u64, default: u64| if given == 0 { default } else { given };
        let gate =
            |given: Option<f64>, default: Option<f64>| given.map_or(default, |given| (given != 0.0).then_some(given));
        Self {
            schedule: if schedule.is_empty() { PlanInput::default_schedule(needs_champion) } else { schedule },
            evaluation_window_ms: or(window_ms, default.evaluation_window_ms),
            minimum_predictions: or(minimum_predictions, default.minimum_predictions),
            error_rate_threshold: gate(error_rate, default.error_rate_threshold),
            latency_degradation_threshold: gate(latency, default.latency_degradation_threshold),
            metric_thresholds: metrics.into_iter().collect(),
            drift_severity_threshold: gate(Some(drift_severity), None),
        }
    }
}

impl From<&Plan> for v1::RolloutPlan {
    fn from(plan: &Plan) -> Self {
        Self {
            schedule: plan.schedule().iter().copied().map(percent).collect(),
            window_ms: plan.window_ms(),
            minimum_predictions: plan.predictions_min(),
            error_rate: Some(plan.error_rate().unwrap_or(0.0)),
            latency: Some(plan.latency_factor().unwrap_or(0.0)),
            metrics: plan.measures().iter().map(|one| (one.subject().to_string(), one.margin())).collect(),
            drift_severity: plan.drift_severity().unwrap_or(0.0),
        }
    }
}

impl From<&Judgement> for v1::RolloutJudgement {
    fn from(judgement: &Judgement) -> Self {
        let (verdict, hold) = match judgement.verdict {
            Verdict::Pass => ("PASS", String::new()),
            Verdict::Fail => ("FAIL", String::new()),
            Verdict::Hold(hold) => ("HOLD", hold.to_string()),
        };
        Self { gate: judgement.gate.to_string(), verdict: verdict.to_owned(), hold, reason: judgement.reason.clone() }
    }
}

/// What was counted of a version.
#[must_use]
pub fn arm_outcomes(version: &str, outcomes: &Outcomes) -> v1::ArmOutcomes {
    let total = outcomes.total();
    v1::ArmOutcomes {
        version: version.to_owned(),
        steps: total.steps,
        errors: total.errors,
        timed_steps: total.timed_steps,
        latency_ms: total.mean_latency_ms().unwrap_or(0.0),
    }
}

/// A share as a number of percent.
#[must_use]
pub fn percent(share: Percent) -> f64 {
    f64::from(share.hundredths()) / 100.0
}
