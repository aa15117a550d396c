//! How remediations are written down.

use prost::Message;

use super::{
    place::{at, place},
    remediation::{DriftEpisode, Remediation, RemediationMode, RemediationPolicy, RemediationTrial},
};
use crate::{
    name::{RolloutId, VersionName},
    rollout::{PlanMessage, Status},
};

#[derive(Clone, PartialEq, Message)]
pub(super) struct PolicyMessage {
    /// Its place in [`RemediationMode::ALL`].
    #[prost(uint32, tag = "1")]
    mode: u32,
    #[prost(message, optional, tag = "2")]
    plan: Option<PlanMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct EpisodeMessage {
    #[prost(string, tag = "1")]
    version: String,
    #[prost(uint64, tag = "2")]
    since_second: u64,
    #[prost(uint32, tag = "3")]
    severity: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RemediationMessage {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(message, optional, tag = "2")]
    episode: Option<EpisodeMessage>,
    #[prost(uint64, tag = "3")]
    found_ms: u64,
    #[prost(message, optional, tag = "4")]
    trial: Option<TrialMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct TrialMessage {
    #[prost(string, tag = "1")]
    rollout: String,
    #[prost(string, tag = "2")]
    canary: String,
    #[prost(uint64, tag = "3")]
    began_ms: u64,
    /// How it ended: one more than its place in [`Status::ALL`].
    #[prost(uint32, tag = "4")]
    end: u32,
    #[prost(uint64, tag = "5")]
    ended_ms: u64,
}

impl PolicyMessage {
    pub(super) fn of(policy: &RemediationPolicy) -> Self {
        Self { mode: place(&RemediationMode::ALL, &policy.mode), plan: policy.plan.as_ref().map(PlanMessage::of) }
    }

    /// `None` of what a model begins with.
    pub(super) fn of_one_that_is_set(policy: &RemediationPolicy) -> Option<Self> {
        (*policy != RemediationPolicy::default()).then(|| Self::of(policy))
    }

    pub(super) fn read(&self) -> Option<RemediationPolicy> {
        let plan = match &self.plan {
            None => None,
            Some(plan) => Some(plan.plan()?),
        };
        Some(RemediationPolicy { mode: at(&RemediationMode::ALL, self.mode)?, plan })
    }
}

impl EpisodeMessage {
    pub(super) fn of(episode: &DriftEpisode) -> Self {
        let DriftEpisode { version, since_second, severity } = episode;
        Self { version: version.to_string(), since_second: *since_second, severity: (*severity).into() }
    }

    pub(super) fn read(&self) -> Option<DriftEpisode> {
        let severity = u16::try_from(self.severity).ok().filter(|severity| *severity <= 1_000)?;
        Some(DriftEpisode { version: VersionName::new(&self.version).ok()?, since_second: self.since_second, severity })
    }
}

impl RemediationMessage {
    pub(super) fn of(remediation: &Remediation) -> Self {
        let Remediation { number, episode, found_ms, trial } = remediation;
        let episode = Some(EpisodeMessage::of(episode));
        Self { number: *number, episode, found_ms: *found_ms, trial: trial.as_ref().map(TrialMessage::of) }
    }

    pub(super) fn read(&self) -> Option<Remediation> {
        let trial = match &self.trial {
            None => None,
            Some(trial) => Some(trial.read()?),
        };
        let (number, found_ms, episode) = (self.number, self.found_ms, self.episode.as_ref()?.read()?);
        Some(Remediation { number, episode, found_ms, trial })
    }
}

impl TrialMessage {
    fn of(trial: &RemediationTrial) -> Self {
        let end = trial.end.map_or(0, |(status, _)| place(&Status::ALL, &status).saturating_add(1));
        Self {
            rollout: trial.rollout.to_string(),
            canary: trial.canary.to_string(),
            began_ms: trial.began_ms,
            end,
            ended_ms: trial.end.map_or(0, |(_, at_ms)| at_ms),
        }
    }

    fn read(&self) -> Option<RemediationTrial> {
        let end = match self.end.checked_sub(1) {
            None => None,
            Some(place) => Some((at(&Status::ALL, place)?, self.ended_ms)),
        };
        let (rollout, canary) = (RolloutId::new(&self.rollout).ok()?, VersionName::new(&self.canary).ok()?);
        Some(RemediationTrial { rollout, canary, began_ms: self.began_ms, end })
    }
}
