//! The versions of a model, and how their steps went.

use std::collections::BTreeMap;

use psi_api::Cause;
use psi_replica::DEFAULT_FIELD;
use psi_rollout::{ModelName, Stage, VersionName};
use psi_state::FieldView;
use tonic::Code;

use crate::{
    calls::{ops::Ops, readiness::readable},
    governance::rollout::refresh::refresh_one,
    sessions::options::CallOptions,
};

/// The versions of a model, in the order of their names, and a token for them.
#[derive(Debug)]
pub(crate) struct VersionList {
    pub(crate) model: ModelName,
    pub(crate) versions: Vec<(VersionName, FieldView)>,
    /// Of those that were given one.
    pub(crate) stages: BTreeMap<VersionName, Stage>,
    pub(crate) token: String,
}

impl Ops {
    /// The versions of a model that exist, once the token of the options is reached.
    pub(crate) async fn versions(&self, model: &str, options: &CallOptions) -> Result<VersionList, Cause> {
        self.record_refusal(self.reach(options).await)?;
        self.record_refusal(self.versions_now(model))
    }

    fn versions_now(&self, model: &str) -> Result<VersionList, Cause> {
        let model = if model.is_empty() { DEFAULT_FIELD } else { model };
        let model = ModelName::new(model).map_err(|error| Cause::from(&error))?;
        self.check_field(model.as_str())?;
        let (versions, token) = self.context.read(|replica| {
            readable(replica)?;
            let fields = replica.versions(&model);
            let views = fields.into_iter().filter_map(|(version, field)| Some((version, replica.view(&field)?)));
            Ok::<_, Cause>((views.collect::<Vec<_>>(), replica.token().to_string()))
        })?;
        if versions.is_empty() {
            return Err(unknown_model(&model));
        }
        refresh_one(&self.context, &model);
        let known = self.context.models.get(model.as_str());
        let stages = known.map(|known| known.model.versions().clone()).unwrap_or_default();
        Ok(VersionList { model, versions, stages, token })
    }
}

fn unknown_model(model: &ModelName) -> Cause {
    let message = format!("no field is a version of model `{model}`: create one, for example `{model}@v1`");
    Cause::new(Code::NotFound, "UNKNOWN_MODEL", message).with("model", model)
}
