//! What a look at a rollout rests on, as a node knows it: the same as in `psi-node/src/governance/rollout/facts.rs`.

use std::collections::{BTreeMap, BTreeSet};

use psi_rollout::{DriftComparison, Facts, Member, Model, Outcomes, Rollout, VersionName, WindowTag};
use psi_state::Replica;

use super::cast;

/// What is known when a rollout is looked at.
#[derive(Clone, Debug)]
pub(crate) struct KnownFacts {
    pub(super) now_ms: u64,
    pub(super) canary: Outcomes,
    pub(super) champion: Outcomes,
    /// No gate here asks for it.
    pub(super) drift: DriftComparison,
    pub(super) members: BTreeMap<String, Member>,
    pub(super) has_majority: bool,
    pub(super) rejected: BTreeSet<VersionName>,
}

impl KnownFacts {
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            now_ms: self.now_ms,
            canary: &self.canary,
            champion: &self.champion,
            drift: &self.drift,
            members: &self.members,
            has_majority: self.has_majority,
            rejected: &self.rejected,
        }
    }
}

/// The window in which outcomes of a rollout count; `None` before the first.
pub(crate) fn window_of(model: &Model, rollout: &Rollout) -> Option<WindowTag> {
    let step = u8::try_from(rollout.step()?).unwrap_or(u8::MAX);
    Some(WindowTag { begin: model.rollouts(), step, rollout: rollout.id().clone() })
}

/// What was counted of a version in the current step of the schedule.
pub(super) fn outcomes_of(replica: &Replica, window: Option<&WindowTag>, version: &VersionName) -> Outcomes {
    let view = replica.view(&cast::field(version));
    view.zip(window).and_then(|(view, tag)| view.outcomes.window(tag).cloned()).unwrap_or_default()
}
