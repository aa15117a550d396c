//! What is asked of one node about the model: the calls that `psi-field rollout`, `version` and `lease` make.

use psi_api::v1;
use tonic::Status;

use crate::{client, commands::experiments::demo::stage::Actor, output::Failure};

/// The model of the demo.
pub(super) const MODEL: &str = "churn";

/// Where a node says that the model and its latest rollout stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ModelStatus {
    pub(super) rollout: v1::Rollout,
    /// The version that answers.
    pub(super) champion: String,
    pub(super) stages: Vec<v1::VersionStage>,
}

impl ModelStatus {
    /// Status and percentage.
    pub(super) fn place(&self) -> String {
        let v1::Rollout { status, percent, .. } = &self.rollout;
        if status.is_empty() { "no rollout".to_owned() } else { format!("{status} at {percent} %") }
    }

    /// The stage of a version; `-` if nobody gave it one.
    pub(super) fn stage(&self, version: &str) -> &str {
        let stage = self.stages.iter().find(|stage| stage.version == version);
        stage.map_or("-", |stage| &stage.stage)
    }
}

/// Where the node says that the model and its latest rollout stand.
///
/// # Errors
/// It does not answer.
pub(super) async fn model_status(actor: &Actor) -> Result<ModelStatus, Failure> {
    let mut rollouts = client::rollouts(actor.channel.clone());
    let asked = v1::GetModelRequest { model: MODEL.to_owned() };
    let model = match rollouts.get_model(asked).await {
        Ok(model) => model.into_inner(),
        Err(status) if is_about(&status, "UNKNOWN_MODEL") => v1::ModelState::default(),
        Err(status) => return Err(Failure::refused(&actor.name, &status)),
    };
    let asked = v1::GetRolloutRequest { model: MODEL.to_owned(), rollout: String::new() };
    let rollout = match rollouts.get_rollout(asked).await {
        Ok(rollout) => rollout.into_inner(),
        Err(status) if ["UNKNOWN_MODEL", "UNKNOWN_ROLLOUT"].iter().any(|reason| is_about(&status, reason)) => {
            v1::Rollout::default()
        }
        Err(status) => return Err(Failure::refused(&actor.name, &status)),
    };
    Ok(ModelStatus { rollout, champion: model.champion, stages: model.versions })
}

/// Names the nodes that vote.
pub(super) async fn set_voters(actor: &Actor, nodes: Vec<String>) -> Result<v1::Voters, Status> {
    let mut leases = client::leases(actor.channel.clone());
    Ok(leases.set_voters(v1::SetVotersRequest { nodes }).await?.into_inner())
}

/// Whether the node knows so many voters, each by its store of now.
pub(super) async fn knows_voters(actor: &Actor, count: usize) -> bool {
    let mut leases = client::leases(actor.channel.clone());
    let voters = leases.get_voters(v1::GetVotersRequest {}).await;
    voters.is_ok_and(|voters| {
        let voters = voters.into_inner().voters;
        voters.len() == count && voters.iter().all(|voter| voter.current)
    })
}

pub(super) async fn set_stage(actor: &Actor, version: &str, stage: &str, reason: &str) -> Result<(), Failure> {
    let [model, version, stage, reason] = [MODEL, version, stage, reason].map(str::to_owned);
    let request = v1::SetStageRequest { model, version, stage, reason, forced: false, deadline_ms: 20_000 };
    let set = client::rollouts(actor.channel.clone()).set_stage(request).await;
    set.map(|_| ()).map_err(|status| Failure::refused(&actor.name, &status))
}

pub(super) async fn start(actor: &Actor, version: &str, plan: v1::RolloutPlan) -> Result<(), Status> {
    let (model, version) = (MODEL.to_owned(), version.to_owned());
    let reason = format!("{version} was built");
    let request =
        v1::StartRolloutRequest { model, version, plan: Some(plan), reason, forced: false, deadline_ms: 20_000 };
    client::rollouts(actor.channel.clone()).start_rollout(request).await.map(|_| ())
}

pub(super) async fn pause(actor: &Actor) -> Result<(), Status> {
    let (model, command) = (MODEL.to_owned(), "pause".to_owned());
    let request = v1::ChangeRolloutRequest { model, command, deadline_ms: 2_000, ..Default::default() };
    client::rollouts(actor.channel.clone()).change_rollout(request).await.map(|_| ())
}

/// Steps with keys that name no version: the node picks one, and refuses keys that lead to two.
pub(super) async fn send(
    actor: &Actor,
    inputs: Vec<v1::Vector>,
    keys: Vec<String>,
    outcomes: Vec<v1::StepOutcome>,
) -> Result<Vec<v1::StepResponse>, Status> {
    let field = MODEL.to_owned();
    let request = v1::StepBatchRequest { field, inputs, keys, outcomes, ..Default::default() };
    Ok(client::fields(actor.channel.clone()).step_batch(request).await?.into_inner().steps)
}

/// What the node counted of each version: steps with an outcome, and those that failed.
pub(super) async fn counts(actor: &Actor) -> Result<Vec<(String, u64, u64)>, Failure> {
    let request = v1::ListVersionsRequest { model: MODEL.to_owned(), ..Default::default() };
    let listed = client::versions(actor.channel.clone()).list_versions(request).await;
    let versions = listed.map_err(|status| Failure::refused(&actor.name, &status))?.into_inner().versions;
    let counted = versions.into_iter().filter(|version| version.outcomes > 0);
    Ok(counted.map(|version| (version.version, version.outcomes, version.errors)).collect())
}

/// Whether a refusal has this reason.
pub(super) fn is_about(status: &Status, reason: &str) -> bool {
    psi_api::cause_of(status).is_some_and(|(given, _)| given == reason)
}
