//! How a model is written down, in one way only.

use std::collections::BTreeMap;

use prost::Message;

use super::{
    change::{Change, ModelEvent},
    error::ModelError,
    history::EndedRollout,
    place::{at, place},
    remediation::RemediationPolicy,
    remediation_encoding::{EpisodeMessage, PolicyMessage, RemediationMessage},
    stage::Stage,
    state::{MODEL_BYTES_MAX, Model},
};
use crate::{
    assignment::Percent,
    name::{ModelName, RolloutId, VersionName},
    rollout::{PlanMessage, Record, Rollout, RolloutMessage, Status},
};

#[derive(Clone, PartialEq, Message)]
struct ModelMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    versions: Vec<VersionMessage>,
    #[prost(message, optional, tag = "3")]
    rollout: Option<RolloutMessage>,
    #[prost(uint64, tag = "4")]
    began_ms: u64,
    #[prost(uint64, tag = "5")]
    rollouts: u64,
    #[prost(message, repeated, tag = "6")]
    ended: Vec<EndedMessage>,
    #[prost(message, optional, tag = "7")]
    last: Option<ChangeMessage>,
    #[prost(uint64, tag = "8")]
    rolled_back: u64,
    #[prost(message, optional, tag = "9")]
    policy: Option<PolicyMessage>,
    #[prost(message, repeated, tag = "10")]
    remediations: Vec<RemediationMessage>,
    #[prost(uint64, tag = "11")]
    found: u64,
    #[prost(uint64, tag = "12")]
    failed: u64,
    #[prost(string, repeated, tag = "13")]
    held_back: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct VersionMessage {
    #[prost(string, tag = "1")]
    name: String,
    /// Its place in [`Stage::ALL`].
    #[prost(uint32, tag = "2")]
    stage: u32,
}

#[derive(Clone, PartialEq, Message)]
struct EndedMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    champion: String,
    #[prost(string, tag = "3")]
    canary: String,
    #[prost(uint32, tag = "4")]
    status: u32,
    #[prost(uint32, tag = "5")]
    percent: u32,
    #[prost(uint64, tag = "6")]
    began_ms: u64,
    #[prost(uint64, tag = "7")]
    ended_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct ChangeMessage {
    #[prost(uint64, tag = "1")]
    at_ms: u64,
    #[prost(string, tag = "2")]
    actor: String,
    #[prost(string, tag = "3")]
    reason: String,
    #[prost(bool, tag = "4")]
    forced: bool,
    #[prost(oneof = "EventMessage", tags = "5, 6, 7, 8, 9")]
    event: Option<EventMessage>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum EventMessage {
    #[prost(message, tag = "5")]
    Staging(VersionMessage),
    #[prost(message, tag = "6")]
    Start(StartMessage),
    #[prost(message, tag = "7")]
    Rollout(RecordMessage),
    #[prost(message, tag = "8")]
    Remediation(PolicyMessage),
    #[prost(message, tag = "9")]
    Drift(EpisodeMessage),
}

#[derive(Clone, PartialEq, Message)]
struct StartMessage {
    #[prost(string, tag = "1")]
    canary: String,
    #[prost(message, optional, tag = "2")]
    plan: Option<PlanMessage>,
    #[prost(bool, tag = "3")]
    is_remedy: bool,
}

/// A record. What an advance froze stands in the rollout.
#[derive(Clone, PartialEq, Message)]
struct RecordMessage {
    #[prost(string, tag = "1")]
    id: String,
    /// Its place in [`crate::Command::ALL`].
    #[prost(uint32, tag = "2")]
    command: u32,
    #[prost(uint64, tag = "3")]
    step: u64,
    #[prost(bool, tag = "4")]
    froze: bool,
}

impl Model {
    /// Its bytes. A model has one encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let version = |(name, stage): (&VersionName, &Stage)| version_message(name, *stage);
        let message = ModelMessage {
            name: self.name.to_string(),
            versions: self.versions.iter().map(version).collect(),
            rollout: self.rollout.as_ref().map(RolloutMessage::of),
            began_ms: self.began_ms,
            rollouts: self.rollouts,
            ended: self.ended.iter().map(ended_message).collect(),
            last: self.last.as_ref().map(change_message),
            rolled_back: self.rolled_back,
            policy: PolicyMessage::of_one_that_is_set(&self.policy),
            remediations: self.remediations.iter().map(RemediationMessage::of).collect(),
            found: self.found,
            failed: self.failed,
            held_back: self.held_back.iter().map(ToString::to_string).collect(),
        };
        message.encode_to_vec()
    }

    /// Reads a model. No bytes panic.
    ///
    /// # Errors
    /// The bytes are no model, or none that [`Model::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        if bytes.len() > MODEL_BYTES_MAX {
            return Err(ModelError);
        }
        let message = ModelMessage::decode(bytes).map_err(|_| ModelError)?;
        let model = read(&message).ok_or(ModelError)?;
        if model.to_bytes() == bytes { Ok(model) } else { Err(ModelError) }
    }
}

fn read(message: &ModelMessage) -> Option<Model> {
    let name = ModelName::new(&message.name).ok()?;
    let version = |of: &VersionMessage| Some((VersionName::new(&of.name).ok()?, at(&Stage::ALL, of.stage)?));
    let versions: BTreeMap<_, _> = message.versions.iter().map(version).collect::<Option<_>>()?;
    let rollout = match &message.rollout {
        None => None,
        Some(rollout) => Some(rollout.rollout(&name)?),
    };
    let last = match &message.last {
        None => None,
        Some(change) => Some(read_change(change, rollout.as_ref())?),
    };
    let ended = message.ended.iter().map(read_ended).collect::<Option<_>>()?;
    let policy = message.policy.as_ref().map_or_else(|| Some(RemediationPolicy::default()), PolicyMessage::read)?;
    let remediations = message.remediations.iter().map(RemediationMessage::read).collect::<Option<_>>()?;
    let held_back = message.held_back.iter().map(|version| VersionName::new(version).ok()).collect::<Option<_>>()?;
    let ModelMessage { began_ms, rollouts, rolled_back, found, failed, .. } = *message;
    Some(Model {
        name,
        versions,
        rollout,
        began_ms,
        rollouts,
        rolled_back,
        ended,
        held_back,
        policy,
        remediations,
        found,
        failed,
        last,
    })
}

fn version_message(name: &VersionName, stage: Stage) -> VersionMessage {
    VersionMessage { name: name.to_string(), stage: place(&Stage::ALL, &stage) }
}

fn ended_message(ended: &EndedRollout) -> EndedMessage {
    EndedMessage {
        id: ended.id.to_string(),
        champion: ended.champion.to_string(),
        canary: ended.canary.to_string(),
        status: place(&Status::ALL, &ended.status),
        percent: ended.percent.hundredths().into(),
        began_ms: ended.began_ms,
        ended_ms: ended.ended_ms,
    }
}

fn read_ended(message: &EndedMessage) -> Option<EndedRollout> {
    Some(EndedRollout {
        id: RolloutId::new(&message.id).ok()?,
        champion: VersionName::new(&message.champion).ok()?,
        canary: VersionName::new(&message.canary).ok()?,
        status: at(&Status::ALL, message.status)?,
        percent: Percent::new(f64::from(message.percent) / 100.0).ok()?,
        began_ms: message.began_ms,
        ended_ms: message.ended_ms,
    })
}

fn change_message(change: &Change) -> ChangeMessage {
    let event = match &change.event {
        ModelEvent::Staging { version, stage } => EventMessage::Staging(version_message(version, *stage)),
        ModelEvent::Start { canary, plan, is_remedy } => EventMessage::Start(StartMessage {
            canary: canary.to_string(),
            plan: Some(PlanMessage::of(plan)),
            is_remedy: *is_remedy,
        }),
        ModelEvent::Remediation(policy) => EventMessage::Remediation(PolicyMessage::of(policy)),
        ModelEvent::Drift(episode) => EventMessage::Drift(EpisodeMessage::of(episode)),
        ModelEvent::Rollout { id, record } => EventMessage::Rollout(record_message(id, record)),
    };
    ChangeMessage {
        at_ms: change.at_ms,
        actor: change.actor.clone(),
        reason: change.reason.clone(),
        forced: change.is_forced,
        event: Some(event),
    }
}

fn record_message(id: &RolloutId, record: &Record) -> RecordMessage {
    let (step, froze) = match record {
        Record::Advance { step, frozen_champion, .. } => (*step as u64, frozen_champion.is_some()),
        _ => (0, false),
    };
    let command = place(&crate::Command::ALL, &record.command());
    RecordMessage { id: id.to_string(), command, step, froze }
}

fn read_change(message: &ChangeMessage, rollout: Option<&Rollout>) -> Option<Change> {
    let event = match message.event.as_ref()? {
        EventMessage::Staging(version) => ModelEvent::Staging {
            version: VersionName::new(&version.name).ok()?,
            stage: at(&Stage::ALL, version.stage)?,
        },
        EventMessage::Start(start) => ModelEvent::Start {
            canary: VersionName::new(&start.canary).ok()?,
            plan: start.plan.as_ref()?.plan()?,
            is_remedy: start.is_remedy,
        },
        EventMessage::Remediation(policy) => ModelEvent::Remediation(policy.read()?),
        EventMessage::Drift(episode) => ModelEvent::Drift(episode.read()?),
        EventMessage::Rollout(record) => ModelEvent::Rollout {
            id: RolloutId::new(&record.id).ok()?,
            record: read_record(record, message.at_ms, rollout)?,
        },
    };
    let ChangeMessage { at_ms, actor, reason, forced, .. } = message;
    Some(Change { event, at_ms: *at_ms, actor: actor.clone(), reason: reason.clone(), is_forced: *forced })
}

fn read_record(message: &RecordMessage, at_ms: u64, rollout: Option<&Rollout>) -> Option<Record> {
    let frozen = || rollout.and_then(|rollout| rollout.frozen_champion().cloned());
    Some(match at(&crate::Command::ALL, message.command)? {
        crate::Command::Advance => Record::Advance {
            step: usize::try_from(message.step).ok()?,
            at_ms,
            frozen_champion: if message.froze { Some(frozen()?) } else { None },
        },
        crate::Command::Pause => Record::Pause,
        crate::Command::Resume => Record::Resume,
        crate::Command::Rollback => Record::Rollback,
        crate::Command::Promote => Record::Promote,
        crate::Command::Cancel => Record::Cancel,
    })
}
