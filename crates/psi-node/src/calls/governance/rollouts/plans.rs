//! Plans and their actions: views of what a model keeps of its remediations.

use psi_api::{Cause, v1};
use psi_rollout::{Model, Remediation, RemediationStatus, Status};

use super::{Ops, bad, states::time};
use crate::{calls::readiness::readable, governance::rollout::models::KnownModel};

const STATUSES: [RemediationStatus; 4] = [
    RemediationStatus::Pending,
    RemediationStatus::Executing,
    RemediationStatus::Completed,
    RemediationStatus::Partial,
];

impl Ops {
    /// The latest plans of a model or of all, the latest first.
    pub(crate) fn plans(&self, model: &str, status: &str) -> Result<v1::ListPlansResponse, Cause> {
        let read = || {
            self.context.read(readable)?;
            let status = if status.is_empty() { None } else { Some(status_of(status)?) };
            let models = self.known_models(model)?;
            let plans = models.iter().flat_map(|known| self.plan_messages(known));
            let mut plans: Vec<_> =
                plans.filter(|plan| status.is_none_or(|status| plan.status == status.name())).collect();
            plans.sort_by_key(|plan| std::cmp::Reverse(plan.found.map_or((0, 0), |at| (at.seconds, at.nanos))));
            Ok(v1::ListPlansResponse { plans, node: self.context.settings.node.to_string() })
        };
        self.record_refusal(read())
    }

    fn plan_messages(&self, known: &KnownModel) -> Vec<v1::RemediationPlan> {
        known.model.remediations().iter().map(|remediation| self.plan_of(known, remediation)).collect()
    }

    fn plan_of(&self, known: &KnownModel, remediation: &Remediation) -> v1::RemediationPlan {
        let model = &known.model;
        let (status, trial) = (model.remediation_status(remediation), remediation.trial.as_ref());
        let id = format!("drift-{}-{}", model.name(), remediation.number);
        let text = |text: Option<String>| text.unwrap_or_default();
        v1::RemediationPlan {
            model: model.name().to_string(),
            status: status.name().to_owned(),
            champion: remediation.episode.version.to_string(),
            severity: f64::from(remediation.episode.severity) / 1_000.0,
            since: Some(time(remediation.episode.since_second.saturating_mul(1_000))),
            found: Some(time(remediation.found_ms)),
            canary: text(trial.map(|trial| trial.canary.to_string())),
            rollout: text(trial.map(|trial| trial.rollout.to_string())),
            began: trial.map(|trial| time(trial.began_ms)),
            ended: trial.and_then(|trial| trial.end).map(|(_, ms)| time(ms)),
            next: match status {
                RemediationStatus::Pending => self.remedy_words(known),
                RemediationStatus::Executing => {
                    text(self.rollout_message(known, "").ok().map(|rollout| rollout.reason))
                }
                RemediationStatus::Completed | RemediationStatus::Partial => String::new(),
            },
            actions: actions(&id, model, remediation),
            id,
        }
    }
}

/// What was done for a plan, what is under way, and what comes next.
fn actions(plan: &str, model: &Model, remediation: &Remediation) -> Vec<v1::RemediationAction> {
    let action = |what: &str, status: &str, at_ms: Option<u64>| v1::RemediationAction {
        id: format!("{plan}:{what}"),
        tool: format!("drift-remediation-{what}"),
        status: status.to_owned(),
        at: at_ms.map(time),
    };
    let (done, pending) = ("COMPLETED", "PENDING");
    let notified = action("notifier", done, Some(remediation.found_ms));
    let Some(trial) = &remediation.trial else {
        let is_over = model.remediation_status(remediation) == RemediationStatus::Partial;
        return if is_over { vec![notified] } else { vec![notified, action("canary", pending, None)] };
    };
    let began = action("canary", done, Some(trial.began_ms));
    match trial.end {
        None => vec![notified, began, action("monitor", "EXECUTING", None)],
        Some((status, at_ms)) => {
            let end = if status == Status::Promoted { "promote" } else { "rollback" };
            vec![notified, began, action("monitor", done, Some(at_ms)), action(end, done, Some(at_ms))]
        }
    }
}

fn status_of(name: &str) -> Result<RemediationStatus, Cause> {
    let found = STATUSES.into_iter().find(|status| status.name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let got: String = name.chars().take(40).collect();
        bad(format!("status `{got}` is none: give one of {}", STATUSES.map(RemediationStatus::name).join(", ")))
    })
}
