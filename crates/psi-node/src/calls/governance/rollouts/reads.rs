//! What callers read of models and rollouts.

use std::sync::Arc;

use psi_api::{Cause, v1};
use psi_rollout::{ModelName, Status};
use tonic::Code;

use super::{Ops, bad, model_name};
use crate::{
    calls::readiness::readable,
    governance::rollout::{
        models::KnownModel,
        refresh::{refresh, refresh_one},
    },
};

impl Ops {
    /// A model as this node knows it.
    pub(super) fn known_model(&self, name: &ModelName) -> Result<Arc<KnownModel>, Cause> {
        refresh_one(&self.context, name);
        self.context.models.get(name.as_str()).ok_or_else(|| {
            let message = format!(
                "model {name} is not known here; name the version that answers now: psi-field version promote {name} VERSION"
            );
            Cause::new(Code::NotFound, "UNKNOWN_MODEL", message)
        })
    }

    /// The versions of a model with their stages.
    pub(crate) fn model(&self, model: &str) -> Result<v1::ModelState, Cause> {
        let read = || {
            self.context.read(readable)?;
            Ok(self.model_message(&*self.known_model(&model_name(model)?)?))
        };
        self.record_refusal(read())
    }

    /// A model, or all if none is named.
    pub(super) fn known_models(&self, model: &str) -> Result<Vec<Arc<KnownModel>>, Cause> {
        if model.is_empty() {
            refresh(&self.context);
            return Ok(self.context.models.all());
        }
        Ok(vec![self.known_model(&model_name(model)?)?])
    }

    /// A rollout, the latest one if none is named.
    pub(crate) fn rollout(&self, model: &str, id: &str) -> Result<v1::Rollout, Cause> {
        let read = || {
            self.context.read(readable)?;
            self.rollout_message(&*self.known_model(&model_name(model)?)?, id)
        };
        self.record_refusal(read())
    }

    /// The rollouts of a model, or of all, the latest first.
    pub(crate) fn rollouts(&self, model: &str, status: &str) -> Result<v1::ListRolloutsResponse, Cause> {
        let read = || {
            self.context.read(readable)?;
            let status = if status.is_empty() { None } else { Some(status_of(status)?) };
            let models = self.known_models(model)?;
            let rollouts = models.iter().flat_map(|known| self.rollout_messages(known));
            let is_wanted = |rollout: &v1::Rollout| status.is_none_or(|status| rollout.status == status.name());
            let mut rollouts: Vec<_> = rollouts.filter(is_wanted).collect();
            let began = |rollout: &v1::Rollout| rollout.began.map_or((0, 0), |time| (time.seconds, time.nanos));
            rollouts.sort_by_key(|rollout| std::cmp::Reverse(began(rollout)));
            Ok(v1::ListRolloutsResponse { rollouts, node: self.context.settings.node.to_string() })
        };
        self.record_refusal(read())
    }
}

fn status_of(name: &str) -> Result<Status, Cause> {
    let found = Status::ALL.into_iter().find(|status| status.name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let names: Vec<_> = Status::ALL.iter().map(|status| status.name()).collect();
        let got: String = name.chars().take(40).collect();
        bad(format!("status `{got}` is none: give one of {}", names.join(", ")))
    })
}
