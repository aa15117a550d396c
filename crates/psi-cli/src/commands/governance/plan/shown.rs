//! Plans, modes and events as they are printed.

use psi_api::v1;
use serde::Serialize;

use crate::{
    commands::governance::rollout::shown::{text, time},
    output::{numbers, table},
};

#[derive(Debug, Serialize)]
pub(super) struct ModeAnswer {
    model: String,
    mode: String,
    severity: f64,
    next: String,
    schedule: Vec<f64>,
    window_ms: u64,
    node: String,
}

#[derive(Debug, Serialize)]
pub(super) struct PlanAnswer {
    id: String,
    model: String,
    status: String,
    champion: String,
    severity: f64,
    since: Option<String>,
    found: Option<String>,
    canary: Option<String>,
    rollout: Option<String>,
    began: Option<String>,
    ended: Option<String>,
    next: Option<String>,
    actions: Vec<ActionAnswer>,
}

#[derive(Debug, Serialize)]
struct ActionAnswer {
    id: String,
    tool: String,
    status: String,
    at: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ListAnswer {
    plans: Vec<PlanAnswer>,
    node: String,
}

#[derive(Debug, Serialize)]
pub(super) struct EventAnswer {
    id: String,
    time: Option<String>,
    object: String,
    method: String,
    actor: String,
    reason: Option<String>,
    rollback: bool,
}

fn lines(head: String, rows: &[(&str, &str)]) -> String {
    let rows = rows.iter().filter(|(_, value)| !value.is_empty());
    rows.fold(head, |text, (name, value)| format!("{text}\n{name:<11}{value}"))
}

impl ModeAnswer {
    pub(super) fn text(&self) -> String {
        let schedule = self.schedule.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let plan = format!("{schedule} %, each {} at least", numbers::span(self.window_ms / 1_000));
        let rows = [("severity", &*numbers::short(self.severity)), ("next", &self.next), ("rollouts", &plan)];
        lines(format!("{}: remediation is {}", self.model, self.mode), &rows)
    }
}

impl PlanAnswer {
    pub(super) fn text(&self) -> String {
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        let drift = format!("the inputs of {}, severity {}", self.champion, numbers::short(self.severity));
        let head = lines(
            format!("{}: {}", self.id, self.status),
            &[
                ("model", &self.model),
                ("drift", &drift),
                ("since", &or_empty(&self.since)),
                ("found", &or_empty(&self.found)),
                ("version", &or_empty(&self.canary)),
                ("rollout", &or_empty(&self.rollout)),
                ("began", &or_empty(&self.began)),
                ("ended", &or_empty(&self.ended)),
                ("next", &or_empty(&self.next)),
            ],
        );
        let row = |action: &ActionAnswer| [action.tool.clone(), action.status.clone(), or_empty(&action.at)];
        format!("{head}\n\n{}", table(["action", "is", "at"], &[], self.actions.iter().map(row).collect()))
    }
}

impl ListAnswer {
    pub(super) fn text(&self) -> String {
        if self.plans.is_empty() {
            return "there is none; see what would follow: psi-field plan mode MODEL".to_owned();
        }
        let row = |plan: &PlanAnswer| {
            let tried = plan.canary.clone().unwrap_or_else(|| "-".to_owned());
            [plan.id.clone(), plan.status.clone(), tried, plan.found.clone().unwrap_or_default()]
        };
        table(["plan", "is", "tries", "found"], &[], self.plans.iter().map(row).collect())
    }
}

impl EventAnswer {
    pub(super) fn text(&self) -> String {
        let time = self.time.as_deref().unwrap_or_default();
        let what = if self.method == self.object { &self.method } else { &format!("{} {}", self.method, self.object) };
        let because = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{time} {what}, {}{because}", self.actor)
    }
}

impl From<v1::Remediation> for ModeAnswer {
    fn from(said: v1::Remediation) -> Self {
        let v1::RolloutPlan { schedule, window_ms, .. } = said.plan.unwrap_or_default();
        let v1::Remediation { model, mode, severity, next, node, .. } = said;
        Self { model, mode, severity, next, schedule, window_ms, node }
    }
}

impl From<v1::RemediationPlan> for PlanAnswer {
    fn from(plan: v1::RemediationPlan) -> Self {
        let action = |action: v1::RemediationAction| ActionAnswer {
            id: action.id,
            tool: action.tool,
            status: action.status,
            at: time(action.at),
        };
        Self {
            id: plan.id,
            model: plan.model,
            status: plan.status,
            champion: plan.champion,
            severity: plan.severity,
            since: time(plan.since),
            found: time(plan.found),
            canary: text(plan.canary),
            rollout: text(plan.rollout),
            began: time(plan.began),
            ended: time(plan.ended),
            next: text(plan.next),
            actions: plan.actions.into_iter().map(action).collect(),
        }
    }
}

impl From<v1::ListPlansResponse> for ListAnswer {
    fn from(v1::ListPlansResponse { plans, node }: v1::ListPlansResponse) -> Self {
        Self { plans: plans.into_iter().map(PlanAnswer::from).collect(), node }
    }
}

impl From<v1::ModelEvent> for EventAnswer {
    fn from(event: v1::ModelEvent) -> Self {
        let v1::ModelEvent { id, time: at, object, method, actor, reason, rollback } = event;
        Self { id, time: time(at), object, method, actor, reason: text(reason), rollback }
    }
}
