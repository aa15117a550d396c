//! Which window of a rollout a step counts in.

use crate::name::RolloutId;

/// One step of the schedule of one rollout. Of two windows of a model, the later one has the greater tag.
///
/// The rollout is part of it, because its id decides which key falls in which bucket: counts by buckets of different
/// rollouts are never added.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowTag {
    /// When the rollout began, as a number that only rises from each rollout of a model to its next.
    pub begin: u64,
    /// Which step of its schedule, from 0.
    pub step: u8,
    /// The rollout.
    pub rollout: RolloutId,
}
