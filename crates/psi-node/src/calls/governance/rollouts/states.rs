//! Models and rollouts as callers see them.

use psi_api::{Cause, arm_outcomes, percent, v1};
use psi_replica::Clock;
use psi_rollout::{EndedRollout, HoldReason, Model, Next, Rollout};

use super::{Ops, unknown_rollout};
use crate::governance::rollout::{facts::KnownFacts, models::KnownModel};

impl Ops {
    pub(super) fn model_message(&self, known: &KnownModel) -> v1::ModelState {
        let model = &known.model;
        let versions = model.versions().iter();
        v1::ModelState {
            model: model.name().to_string(),
            champion: model.champion().map(ToString::to_string).unwrap_or_default(),
            versions: versions
                .map(|(version, stage)| v1::VersionStage { version: version.to_string(), stage: stage.to_string() })
                .collect(),
            rollout: model.active().map(|rollout| rollout.id().to_string()).unwrap_or_default(),
            step: known.step,
            node: self.context.settings.node.to_string(),
        }
    }

    /// A rollout by its id, the latest one if that is empty.
    pub(super) fn rollout_message(&self, known: &KnownModel, id: &str) -> Result<v1::Rollout, Cause> {
        let latest = known.model.rollout().filter(|rollout| id.is_empty() || rollout.id().as_str() == id);
        if let Some(rollout) = latest {
            return Ok(self.latest_message(known, rollout));
        }
        let ended = known.model.ended().iter().find(|ended| ended.id.as_str() == id);
        ended.map_or_else(
            || Err(unknown_rollout(known.model.name(), id)),
            |ended| Ok(self.ended_message(&known.model, ended)),
        )
    }

    /// All that is known of the rollouts of a model.
    pub(super) fn rollout_messages(&self, known: &KnownModel) -> Vec<v1::Rollout> {
        let latest = known.model.rollout();
        let is_before = |ended: &&EndedRollout| latest.is_none_or(|latest| *latest.id() != ended.id);
        let ended = known.model.ended().iter().filter(is_before);
        let latest = latest.map(|rollout| self.latest_message(known, rollout));
        ended.map(|ended| self.ended_message(&known.model, ended)).chain(latest).collect()
    }

    fn latest_message(&self, known: &KnownModel, rollout: &Rollout) -> v1::Rollout {
        let model = &known.model;
        let facts = KnownFacts::of(&self.context, model, rollout);
        let next = rollout.next(&facts.facts());
        let (hold, reason, judgements) = match next {
            Next::Act { reason, judgements, .. } => match self.context.models.obstacle(model.name()) {
                Some(why) => {
                    (HoldReason::NoMajority.to_string(), format!("{why}; to be decided: {reason}"), judgements)
                }
                None => (String::new(), reason, judgements),
            },
            Next::Hold { hold, reason, judgements } => (hold.to_string(), reason, judgements),
            Next::Idle { judgements, .. } => (String::new(), String::new(), judgements),
        };
        let ended = model.ended().iter().find(|ended| ended.id == *rollout.id());
        let champion = rollout.frozen_champion().unwrap_or(&facts.champion);
        let arms = [(rollout.champion(), champion), (rollout.canary(), &facts.canary)];
        let last = model.last();
        v1::Rollout {
            id: rollout.id().to_string(),
            model: model.name().to_string(),
            champion: rollout.champion().version().to_string(),
            canary: rollout.canary().version().to_string(),
            status: rollout.status().name().to_owned(),
            percent: ended.map_or_else(|| percent(rollout.percent()), |ended| percent(ended.percent)),
            since: rollout.step().map(|_| time(rollout.since_ms())),
            began: Some(time(model.began_ms())),
            ended: ended.map(|ended| time(ended.ended_ms)),
            hold,
            reason,
            gates: judgements.iter().map(Into::into).collect(),
            outcomes: arms.map(|(version, outcomes)| arm_outcomes(version.version().as_str(), outcomes)).to_vec(),
            plan: Some(rollout.plan().into()),
            decided: known.pending_rollback().is_none(),
            late_rollback: rollout.has_late_rollback(),
            actor: last.map(|change| change.actor.clone()).unwrap_or_default(),
            change_reason: last.map(|change| change.reason.clone()).unwrap_or_default(),
            node: self.context.settings.node.to_string(),
        }
    }

    fn ended_message(&self, model: &Model, ended: &EndedRollout) -> v1::Rollout {
        v1::Rollout {
            id: ended.id.to_string(),
            model: model.name().to_string(),
            champion: ended.champion.to_string(),
            canary: ended.canary.to_string(),
            status: ended.status.name().to_owned(),
            percent: percent(ended.percent),
            began: Some(time(ended.began_ms)),
            ended: Some(time(ended.ended_ms)),
            decided: true,
            node: self.context.settings.node.to_string(),
            ..v1::Rollout::default()
        }
    }
}

pub(super) fn time(wall_ms: u64) -> prost_types::Timestamp {
    psi_api::timestamp(Clock { wall_ms, counter: 0 })
}
