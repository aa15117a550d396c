//! What is said of models whose champion's inputs drift.

use futures_util::future::join_all;
use psi_api::{Cause, v1};
use psi_ledger::{body::Action, record::Kind};
use psi_rollout::{Change, Model, ModelEvent, Plan, RemediationMode, RemediationPolicy, Remedy};
use tonic::Code;

use super::{ChangeRequest, Ops, bad, model_name};
use crate::{
    calls::readiness::readable,
    governance::rollout::{
        drift::{episode_of, no_verdict, severity_of},
        models::KnownModel,
        refresh::refresh,
    },
};

impl Ops {
    /// Says what follows by itself where the inputs of a model's champion drift.
    pub(crate) async fn set_remediation(&self, request: v1::SetRemediationRequest) -> Result<v1::Remediation, Cause> {
        let v1::SetRemediationRequest { model, mode, plan, reason, deadline_ms } = request;
        self.record_action_on(&format!("remediation {mode} {model}"), &reason);
        let set = async {
            let (model, mode): (_, RemediationMode) = (model_name(&model)?, mode.parse().map_err(bad)?);
            let plan = plan.map(|plan| Plan::new(&plan.into()).map_err(bad)).transpose()?;
            let request = ChangeRequest::new((reason, false, deadline_ms))?;
            self.known_model(&model)?;
            let change = |before: &Model| {
                let plan = plan.clone().or_else(|| before.policy().plan.clone());
                Ok::<Change, _>(request.change(self, ModelEvent::Remediation(RemediationPolicy { mode, plan })))
            };
            self.decide_model(&model, change, request.until).await?;
            self.known_model(&model)
        };
        let set = set.await;
        Ok(self.remediation_message(&*self.record_refusal(set)?))
    }

    /// What is said of one model, and why nothing follows now.
    pub(crate) fn remediation(&self, model: &str) -> Result<v1::Remediation, Cause> {
        let read = || {
            self.context.read(readable)?;
            Ok(self.remediation_message(&*self.known_model(&model_name(model)?)?))
        };
        self.record_refusal(read())
    }

    /// Turns remediation on or off for all models whose names begin so. All are tried; the first that could not be is
    /// reported.
    pub(crate) async fn switch_remediation(&self, is_on: bool, prefix: &str) -> Result<Vec<v1::Remediation>, Cause> {
        refresh(&self.context);
        let names = self.context.models.all().into_iter().map(|known| known.model.name().to_string());
        let names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
        if is_on && names.is_empty() {
            let message = "there is no model yet; name a version that answers: psi-field version promote MODEL VERSION";
            return Err(self.record_cause(Cause::new(Code::NotFound, "UNKNOWN_MODEL", message)));
        }
        let mode = if is_on { RemediationMode::On } else { RemediationMode::Off };
        let set = join_all(names.into_iter().map(async |model| {
            let request = v1::SetRemediationRequest { model, mode: mode.to_string(), ..Default::default() };
            let set = self.set_remediation(request).await?;
            // The record of the call is about all of them.
            let (method, object) = ("remediation".to_owned(), format!("remediation {mode} {}", set.model));
            let action = Action { method, object, outcome: "ok".to_owned(), ..Action::default() };
            self.context.record(Kind::ModelChange, self.actor(), &action);
            Ok(set)
        }));
        let set = set.await.into_iter().collect();
        self.record_object(&format!("remediation {mode}"));
        self.record_kind(Kind::OperatorAction);
        set
    }

    fn remediation_message(&self, known: &KnownModel) -> v1::Remediation {
        let policy = known.model.policy();
        v1::Remediation {
            model: known.model.name().to_string(),
            mode: policy.mode.to_string(),
            plan: Some((&policy.plan.clone().unwrap_or_default()).into()),
            severity: severity_of(&self.context, &known.model),
            next: self.remedy_words(known),
            node: self.context.settings.node.to_string(),
        }
    }

    /// What follows by itself or, in words, why nothing does.
    pub(super) fn remedy_words(&self, known: &KnownModel) -> String {
        let model = &known.model;
        let words = match model.remedy(episode_of(&self.context, model).as_ref()) {
            Remedy::Rest(why) if model.policy().mode == RemediationMode::Off => return why,
            Remedy::Rest(why) => return no_verdict(&self.context, model).unwrap_or(why),
            Remedy::Find(episode) => format!("{episode}: that is about to be written down"),
            Remedy::Try(version) => format!("a rollout of {version} is about to begin"),
        };
        self.context.models.obstacle(model.name()).map_or_else(|| words.clone(), |why| format!("{words}; {why}"))
    }
}
