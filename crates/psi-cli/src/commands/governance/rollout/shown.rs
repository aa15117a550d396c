//! Rollouts as they are printed.

use psi_api::v1;
use serde::Serialize;

use crate::output::{Cell, Tone, numbers, table};

#[derive(Debug, Serialize)]
pub(super) struct RolloutAnswer {
    id: String,
    model: String,
    champion: String,
    canary: String,
    status: String,
    percent: f64,
    since: Option<String>,
    began: Option<String>,
    ended: Option<String>,
    hold: Option<String>,
    reason: Option<String>,
    gates: Vec<GateAnswer>,
    outcomes: Vec<OutcomesAnswer>,
    schedule: Vec<f64>,
    window_ms: Option<u64>,
    decided: bool,
    late_rollback: bool,
    actor: Option<String>,
    change_reason: Option<String>,
    node: String,
}

#[derive(Debug, Serialize)]
pub(super) struct GateAnswer {
    gate: String,
    verdict: String,
    hold: Option<String>,
    reason: String,
}

#[derive(Debug, Serialize)]
pub(super) struct OutcomesAnswer {
    version: String,
    steps: u64,
    errors: u64,
    timed_steps: u64,
    latency_ms: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct ListAnswer {
    rollouts: Vec<RolloutAnswer>,
    node: String,
}

impl RolloutAnswer {
    /// Where it stands, in words.
    fn place(&self) -> String {
        match (self.ended.is_some(), self.hold.as_deref()) {
            (true, _) => format!("{}, had come to {} %", self.status, self.percent),
            (false, Some(hold)) => format!("{} at {} %, {hold}", self.status, self.percent),
            (false, None) => format!("{} at {} %", self.status, self.percent),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{}: {}", self.id, self.place());
        let schedule = self.schedule.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let window = self.window_ms.map(|ms| format!("{schedule} %, each {} at least", numbers::span(ms / 1_000)));
        let decided = if self.decided { "" } else { "not yet: it counts, and a majority is still to decide it" };
        let late = if self.late_rollback { "after the promotion was decided: nothing changed by itself" } else { "" };
        let lines = [
            ("model", self.model.as_str()),
            ("versions", &format!("{} answers, {} is to take over", self.champion, self.canary)),
            ("schedule", window.as_deref().unwrap_or_default()),
            ("began", self.began.as_deref().unwrap_or_default()),
            ("since", self.since.as_deref().unwrap_or_default()),
            ("ended", self.ended.as_deref().unwrap_or_default()),
            ("decided", decided),
            ("rollback", late),
            ("changed by", self.actor.as_deref().unwrap_or_default()),
            ("because", self.change_reason.as_deref().unwrap_or_default()),
            ("next", self.reason.as_deref().unwrap_or_default()),
        ];
        for (name, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
            text += &format!("\n{name:<11}{value}");
        }
        for block in [gate_table(&self.gates), outcome_table(&self.outcomes)] {
            text += &block.map(|block| format!("\n\n{block}")).unwrap_or_default();
        }
        text
    }
}

/// What gates say, a row each; `None` of none.
pub(super) fn gate_table(gates: &[GateAnswer]) -> Option<String> {
    let row = |gate: &GateAnswer| {
        let tone = match gate.verdict.as_str() {
            "PASS" => Tone::Good,
            "FAIL" => Tone::Bad,
            _ => Tone::Doubtful,
        };
        let hold = gate.hold.as_ref().map(|hold| format!(" {hold}")).unwrap_or_default();
        let verdict = Cell::toned(format!("{}{hold}", gate.verdict), tone);
        [gate.gate.clone().into(), verdict, Cell::from(gate.reason.clone())]
    };
    let rows: Vec<_> = gates.iter().map(row).collect();
    (!rows.is_empty()).then(|| table(["gate", "says", "why"], &[], rows))
}

/// What was counted of versions, a row each; `None` of no steps.
pub(super) fn outcome_table(arms: &[OutcomesAnswer]) -> Option<String> {
    let row = |arm: &OutcomesAnswer| {
        let latency = if arm.timed_steps == 0 { "-".to_owned() } else { numbers::short(arm.latency_ms) };
        [arm.version.clone(), arm.steps.to_string(), arm.errors.to_string(), latency]
    };
    let is_any = arms.iter().any(|arm| arm.steps > 0);
    let head = ["version", "steps", "errors", "mean ms"];
    is_any.then(|| table(head, &[1, 2, 3], arms.iter().map(row).collect()))
}

impl ListAnswer {
    pub(super) fn text(&self) -> String {
        if self.rollouts.is_empty() {
            return "there is none; start one: psi-field rollout start MODEL VERSION".to_owned();
        }
        let row = |rollout: &RolloutAnswer| {
            let began = rollout.began.clone().unwrap_or_default();
            [rollout.id.clone(), rollout.model.clone(), rollout.place(), began]
        };
        table(["rollout", "model", "is", "began"], &[], self.rollouts.iter().map(row).collect())
    }
}

pub(in crate::commands::governance) fn text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(in crate::commands::governance) fn time(time: Option<prost_types::Timestamp>) -> Option<String> {
    time.map(|time| numbers::time(time.seconds, time.nanos))
}

impl From<v1::RolloutJudgement> for GateAnswer {
    fn from(gate: v1::RolloutJudgement) -> Self {
        Self { gate: gate.gate, verdict: gate.verdict, hold: text(gate.hold), reason: gate.reason }
    }
}

impl From<v1::ArmOutcomes> for OutcomesAnswer {
    fn from(arm: v1::ArmOutcomes) -> Self {
        Self {
            version: arm.version,
            steps: arm.steps,
            errors: arm.errors,
            timed_steps: arm.timed_steps,
            latency_ms: arm.latency_ms,
        }
    }
}

impl From<v1::Rollout> for RolloutAnswer {
    fn from(rollout: v1::Rollout) -> Self {
        Self {
            id: rollout.id,
            model: rollout.model,
            champion: rollout.champion,
            canary: rollout.canary,
            status: rollout.status,
            percent: rollout.percent,
            since: time(rollout.since),
            began: time(rollout.began),
            ended: time(rollout.ended),
            hold: text(rollout.hold),
            reason: text(rollout.reason),
            gates: rollout.gates.into_iter().map(GateAnswer::from).collect(),
            outcomes: rollout.outcomes.into_iter().map(OutcomesAnswer::from).collect(),
            window_ms: rollout.plan.as_ref().map(|plan| plan.window_ms),
            schedule: rollout.plan.map(|plan| plan.schedule).unwrap_or_default(),
            decided: rollout.decided,
            late_rollback: rollout.late_rollback,
            actor: text(rollout.actor),
            change_reason: text(rollout.change_reason),
            node: rollout.node,
        }
    }
}

impl From<v1::ListRolloutsResponse> for ListAnswer {
    fn from(answer: v1::ListRolloutsResponse) -> Self {
        let v1::ListRolloutsResponse { rollouts, node } = answer;
        Self { rollouts: rollouts.into_iter().map(RolloutAnswer::from).collect(), node }
    }
}
