//! A model in plain words.

use std::collections::BTreeMap;

/// How far a version has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainStage {
    Staging,
    Canary,
    Production,
    Archived,
    Rejected,
}

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainStatus {
    Pending,
    InProgress,
    Paused,
    Promoted,
    RolledBack,
    Cancelled,
}

/// What happens to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainCommand {
    Advance,
    Pause,
    Resume,
    Rollback,
    Promote,
    Cancel,
}

/// What happens to a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PlainEvent {
    Staging { version: String, stage: PlainStage },
    Start { canary: String },
    Rollout { id: String, command: PlainCommand, step: usize },
}

/// What changed a model last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlainChange {
    pub(crate) event: PlainEvent,
    pub(crate) at_ms: u64,
    /// By a node, not a person.
    pub(crate) is_automatic: bool,
    pub(crate) is_forced: bool,
}

/// The rollout that began last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlainRollout {
    pub(crate) id: String,
    pub(crate) champion: String,
    pub(crate) canary: String,
    /// Hundredths of a percent.
    pub(crate) schedule: Vec<u32>,
    pub(crate) window_ms: u64,
    pub(crate) is_forced: bool,
    pub(crate) status: PlainStatus,
    /// Steps of the schedule that have begun.
    pub(crate) steps: usize,
    pub(crate) since_ms: u64,
    pub(crate) is_late: bool,
}

/// A model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlainModel {
    pub(crate) versions: BTreeMap<String, PlainStage>,
    pub(crate) rollout: Option<PlainRollout>,
    pub(crate) last: Option<PlainChange>,
}

impl PlainStatus {
    pub(crate) fn is_end(self) -> bool {
        matches!(self, Self::Promoted | Self::RolledBack | Self::Cancelled)
    }
}

impl PlainRollout {
    /// The share of keys that the canary answers in a status, in hundredths of a percent.
    pub(super) fn hundredths_in(&self, status: PlainStatus) -> u32 {
        let begun = self.steps.checked_sub(1).and_then(|step| self.schedule.get(step));
        match status {
            PlainStatus::Promoted => 10_000,
            PlainStatus::InProgress | PlainStatus::Paused => begun.copied().unwrap_or_default(),
            PlainStatus::Pending | PlainStatus::RolledBack | PlainStatus::Cancelled => 0,
        }
    }
}

impl PlainModel {
    /// The versions in a stage.
    pub(super) fn in_stage(&self, stage: PlainStage) -> Vec<&str> {
        let found = self.versions.iter().filter(|(_, of)| **of == stage);
        found.map(|(version, _)| version.as_str()).collect()
    }

    /// The rollout that is under way.
    pub(super) fn active(&self) -> Option<&PlainRollout> {
        self.rollout.as_ref().filter(|rollout| !rollout.status.is_end())
    }
}
