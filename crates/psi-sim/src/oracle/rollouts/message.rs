//! The bytes of a model, by definitions of the oracle's own.

use prost::Message;

use super::model::{PlainChange, PlainCommand, PlainEvent, PlainModel, PlainRollout, PlainStage, PlainStatus};

#[derive(Clone, PartialEq, Message)]
struct ModelMessage {
    #[prost(message, repeated, tag = "2")]
    versions: Vec<VersionMessage>,
    #[prost(message, optional, tag = "3")]
    rollout: Option<RolloutMessage>,
    #[prost(message, optional, tag = "7")]
    last: Option<ChangeMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct VersionMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    stage: u32,
}

#[derive(Clone, PartialEq, Message)]
struct RolloutMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    champion: String,
    #[prost(string, tag = "3")]
    canary: String,
    #[prost(message, optional, tag = "4")]
    plan: Option<PlanMessage>,
    #[prost(bool, tag = "5")]
    forced: bool,
    #[prost(uint32, tag = "6")]
    status: u32,
    #[prost(uint32, tag = "7")]
    steps: u32,
    #[prost(uint64, tag = "8")]
    since_ms: u64,
    #[prost(bool, tag = "10")]
    late: bool,
}

#[derive(Clone, PartialEq, Message)]
struct PlanMessage {
    #[prost(uint32, repeated, tag = "1")]
    schedule: Vec<u32>,
    #[prost(uint64, tag = "2")]
    window_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct ChangeMessage {
    #[prost(uint64, tag = "1")]
    at_ms: u64,
    #[prost(string, tag = "2")]
    actor: String,
    #[prost(bool, tag = "4")]
    forced: bool,
    #[prost(message, optional, tag = "5")]
    staging: Option<VersionMessage>,
    #[prost(message, optional, tag = "6")]
    start: Option<StartMessage>,
    #[prost(message, optional, tag = "7")]
    rollout: Option<RecordMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct StartMessage {
    #[prost(string, tag = "1")]
    canary: String,
}

#[derive(Clone, PartialEq, Message)]
struct RecordMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(uint32, tag = "2")]
    command: u32,
    #[prost(uint64, tag = "3")]
    step: u64,
}

/// Reads a model; `None` if that can't be.
pub(super) fn read(bytes: &[u8]) -> Option<PlainModel> {
    let ModelMessage { versions, rollout, last } = ModelMessage::decode(bytes).ok()?;
    let versions = versions.into_iter().map(|of| Some((of.name, stage(of.stage)?))).collect::<Option<_>>()?;
    let rollout = match rollout {
        None => None,
        Some(rollout) => Some(rollout_of(rollout)?),
    };
    Some(PlainModel { versions, rollout, last: Some(change_of(last?)?) })
}

fn rollout_of(message: RolloutMessage) -> Option<PlainRollout> {
    let plan = message.plan?;
    Some(PlainRollout {
        id: message.id,
        champion: message.champion,
        canary: message.canary,
        schedule: plan.schedule,
        window_ms: plan.window_ms,
        is_forced: message.forced,
        status: status(message.status)?,
        steps: usize::try_from(message.steps).ok()?,
        since_ms: message.since_ms,
        is_late: message.late,
    })
}

fn change_of(message: ChangeMessage) -> Option<PlainChange> {
    let event = match (message.staging, message.start, message.rollout) {
        (Some(of), None, None) => PlainEvent::Staging { version: of.name, stage: stage(of.stage)? },
        (None, Some(start), None) => PlainEvent::Start { canary: start.canary },
        (None, None, Some(record)) => {
            let (command, step) = (command(record.command)?, usize::try_from(record.step).ok()?);
            PlainEvent::Rollout { id: record.id, command, step }
        }
        _ => return None,
    };
    let is_automatic = message.actor.starts_with("node ");
    Some(PlainChange { event, at_ms: message.at_ms, is_automatic, is_forced: message.forced })
}

fn stage(number: u32) -> Option<PlainStage> {
    use PlainStage::{Archived, Canary, Production, Rejected, Staging};
    [Staging, Canary, Production, Archived, Rejected].get(usize::try_from(number).ok()?).copied()
}

fn status(number: u32) -> Option<PlainStatus> {
    use PlainStatus::{Cancelled, InProgress, Paused, Pending, Promoted, RolledBack};
    [Pending, InProgress, Paused, Promoted, RolledBack, Cancelled].get(usize::try_from(number).ok()?).copied()
}

fn command(number: u32) -> Option<PlainCommand> {
    use PlainCommand::{Advance, Cancel, Pause, Promote, Resume, Rollback};
    [Advance, Pause, Resume, Rollback, Promote, Cancel].get(usize::try_from(number).ok()?).copied()
}
