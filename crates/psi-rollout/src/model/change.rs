//! What changes a model.

use std::str::FromStr;

use super::{
    error::ChangeError,
    remediation::{DriftEpisode, RemediationPolicy},
    stage::Stage,
};
use crate::{
    name::{RolloutId, VersionName},
    plan::Plan,
    rollout::Record,
    text::list,
};

/// Longest name of who asked for a change, in bytes.
pub const ACTOR_BYTES_MAX: usize = 128;
/// Longest reason of a change, in bytes.
pub const REASON_BYTES_MAX: usize = 512;

/// What happens to a model.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelEvent {
    /// A version comes to a stage.
    Staging {
        /// The version.
        version: VersionName,
        /// The stage.
        stage: Stage,
    },
    /// A rollout begins, PENDING.
    Start {
        /// The version that is to take over.
        canary: VersionName,
        /// How.
        plan: Plan,
        /// Whether it is to remedy the drift that was found last.
        is_remedy: bool,
    },
    /// It is said what follows by itself where inputs drift.
    Remediation(RemediationPolicy),
    /// The inputs of the champion are found to drift.
    Drift(DriftEpisode),
    /// Something happens to the rollout that is under way.
    Rollout {
        /// Which one it must be.
        id: RolloutId,
        /// What.
        record: Record,
    },
}

/// One change of a model: what, when, by whom and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What happens.
    pub event: ModelEvent,
    /// When, by the clock of the node that proposed it. Steps of a rollout begin then.
    pub at_ms: u64,
    /// Who asked for it: a person, or a node by itself.
    pub actor: String,
    /// Why, in words and numbers.
    pub reason: String,
    /// Whether a person overrode what gates, members or a rejection say.
    pub is_forced: bool,
}

impl FromStr for Stage {
    type Err = ChangeError;

    fn from_str(name: &str) -> Result<Self, ChangeError> {
        let found = Self::ALL.into_iter().find(|stage| stage.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| ChangeError::NoStage { got: name.chars().take(80).collect(), stages: list(Self::ALL) })
    }
}

impl Change {
    /// The same, where a step of a rollout begins when the change happens.
    pub(super) fn at_one_time(mut self) -> Self {
        if let ModelEvent::Rollout { record: Record::Advance { at_ms, .. }, .. } = &mut self.event {
            *at_ms = self.at_ms;
        }
        self
    }

    /// Whether its texts are of the lengths that they may have.
    pub(super) fn check_texts(&self) -> Result<(), ChangeError> {
        let texts = [("actor", &self.actor, ACTOR_BYTES_MAX), ("reason", &self.reason, REASON_BYTES_MAX)];
        for (what, text, limit) in texts {
            if text.len() > limit || text.chars().any(char::is_control) {
                return Err(ChangeError::Text { what, bytes: text.len(), limit });
            }
        }
        Ok(())
    }
}
