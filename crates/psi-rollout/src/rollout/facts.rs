//! What is known when a rollout is looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    gate::DriftComparison,
    name::{LiveVersions, RolloutId, VersionName},
    outcome::Outcomes,
};

/// A registered member, as the rollout sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Up to which moment its outcomes are here; `None` if it never reported any.
    pub heard_ms: Option<u64>,
    /// Whether it was evicted, so that nobody waits for it.
    pub is_evicted: bool,
}

/// All that a look at a rollout rests on. What is not in it is unknown, and what is unknown holds.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What time it is, by the clock that records carry.
    pub now_ms: u64,
    /// Outcomes of the canary in the current step of the schedule.
    pub canary: &'a Outcomes,
    /// Those of the champion in that step.
    pub champion: &'a Outcomes,
    /// Drift of the inputs of both.
    pub drift: &'a DriftComparison,
    /// Registered members, by name.
    pub members: &'a BTreeMap<String, Member>,
    /// Whether a majority of voters answers.
    pub has_majority: bool,
    /// Versions of the model that were rejected.
    pub rejected: &'a BTreeSet<VersionName>,
}

/// What a new rollout rests on.
#[derive(Clone, Copy, Debug)]
pub struct StartFacts<'a> {
    /// Versions of the model that take steps.
    pub live: &'a LiveVersions,
    /// Those that were rejected.
    pub rejected: &'a BTreeSet<VersionName>,
    /// The rollout of this model that has not ended, if there is one.
    pub active: Option<&'a RolloutId>,
}

impl Facts<'_> {
    /// Registered members that were not heard up to a moment, in the order of their names. None of an empty table.
    pub(super) fn unheard(&self, until_ms: u64) -> Vec<String> {
        let is_unheard = |member: &Member| !member.is_evicted && member.heard_ms.is_none_or(|heard| heard < until_ms);
        self.members.iter().filter(|(_, member)| is_unheard(member)).map(|(name, _)| name.clone()).collect()
    }

    /// Whether there is a member to be heard at all.
    pub(super) fn has_members(&self) -> bool {
        self.members.values().any(|member| !member.is_evicted)
    }
}
