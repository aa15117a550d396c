//! Models and rollouts as JSON.

use std::collections::BTreeMap;

use psi_api::v1;
use serde_json::{Map, Value, json};

use crate::http::governance::processes::answers::{some, time_text};

pub(super) fn model_json(model: &v1::ModelState) -> Value {
    let stages = model.versions.iter().map(|v1::VersionStage { version, stage }| (version.clone(), json!(stage)));
    json!({
        "model": model.model,
        "champion": some(&model.champion),
        "stages": stages.collect::<Map<_, _>>(),
        "deployment": some(&model.rollout),
        "step": model.step,
        "node": model.node,
    })
}

pub(super) fn rollout_json(rollout: &v1::Rollout) -> Value {
    let gate = |v1::RolloutJudgement { gate, verdict, hold, reason }: &v1::RolloutJudgement| json!({ "gate": gate, "verdict": verdict, "hold": some(hold), "reason": reason });
    let arm = |arm: &v1::ArmOutcomes| {
        let v1::ArmOutcomes { version, steps, errors, timed_steps, latency_ms } = arm;
        let latency_ms = (*timed_steps > 0).then_some(latency_ms);
        json!({ "version": version, "steps": steps, "errors": errors, "latency_ms": latency_ms })
    };
    json!({
        "id": rollout.id,
        "model": rollout.model,
        "champion": rollout.champion,
        "version": rollout.canary,
        "status": rollout.status,
        "percentage": rollout.percent,
        "since": time_text(rollout.since.as_ref()),
        "began": time_text(rollout.began.as_ref()),
        "ended": time_text(rollout.ended.as_ref()),
        "hold": some(&rollout.hold),
        "reason": some(&rollout.reason),
        "gates": rollout.gates.iter().map(gate).collect::<Vec<_>>(),
        "outcomes": rollout.outcomes.iter().map(arm).collect::<Vec<_>>(),
        "config": rollout.plan.as_ref().map(config_json),
        "decided": rollout.decided,
        "late_rollback": rollout.late_rollback,
        "changed_by": some(&rollout.actor),
        "because": some(&rollout.change_reason),
        "node": rollout.node,
    })
}

pub(in crate::http::governance) fn config_json(plan: &v1::RolloutPlan) -> Value {
    json!({
        "rolloutSchedule": plan.schedule,
        "evaluationWindow": window_text(plan.window_ms),
        "minimumPredictions": plan.minimum_predictions,
        "errorRateThreshold": plan.error_rate,
        "latencyDegradationThreshold": plan.latency,
        "metricThresholds": plan.metrics.iter().collect::<BTreeMap<_, _>>(),
        "driftSeverityThreshold": plan.drift_severity,
    })
}

/// A time as it may be given: `1h`, `90s`, in the largest unit that keeps it whole.
fn window_text(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fitting = units.into_iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    fitting.map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}
