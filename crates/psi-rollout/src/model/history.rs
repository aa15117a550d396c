//! What is kept of rollouts that have ended.

use crate::{
    assignment::Percent,
    name::{RolloutId, VersionName},
    rollout::{Rollout, Status},
};

/// A rollout that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRollout {
    /// What it was called.
    pub id: RolloutId,
    /// The version that answered before.
    pub champion: VersionName,
    /// The version that was rolled out.
    pub canary: VersionName,
    /// How it ended.
    pub status: Status,
    /// How far it had come.
    pub percent: Percent,
    /// When it began.
    pub began_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
}

impl EndedRollout {
    /// What is kept of a rollout that ends like this, after it had come to `percent`.
    pub(super) fn of(rollout: &Rollout, percent: Percent, (began_ms, ended_ms): (u64, u64)) -> Self {
        Self {
            id: rollout.id().clone(),
            champion: rollout.champion().version().clone(),
            canary: rollout.canary().version().clone(),
            status: rollout.status(),
            percent,
            began_ms,
            ended_ms,
        }
    }
}
