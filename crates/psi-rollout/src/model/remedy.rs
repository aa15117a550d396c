//! What follows by itself for a model: the rules by which nodes propose it and voters take it.

use super::{
    error::ChangeError,
    remediation::{
        DriftEpisode, REMEDIATIONS_MAX, Remediation, RemediationMode, RemediationPolicy, RemediationStatus,
        RemediationTrial, SEVERITY_MIN, thousandths,
    },
    stage::Stage,
    state::Model,
};
use crate::{
    name::{RolloutId, VersionName},
    rollout::Status,
    text::list,
};

/// What follows by itself for a model, given what its champion's inputs do.
#[derive(Clone, Debug, PartialEq)]
pub enum Remedy {
    /// Nothing: why.
    Rest(String),
    /// This drift is to be written down.
    Find(DriftEpisode),
    /// A rollout of this version is to begin.
    Try(VersionName),
}

impl Model {
    /// What follows by itself. A function of its arguments.
    ///
    /// Only a version in STAGING is tried, where there is just one, and not what a person cancelled.
    #[must_use]
    pub fn remedy(&self, episode: Option<&DriftEpisode>) -> Remedy {
        if self.policy.mode == RemediationMode::Off {
            return Remedy::Rest(format!("remediation is off; turn it on: psi-field plan mode {} watch", self.name));
        }
        let Some(episode) = episode.filter(|episode| self.champion() == Some(&episode.version)) else {
            return Remedy::Rest("the champion's inputs do not drift".to_owned());
        };
        if episode.severity < SEVERITY_MIN {
            let (severity, least) = (thousandths(episode.severity), thousandths(SEVERITY_MIN));
            return Remedy::Rest(format!("severity {severity} is below {least}"));
        }
        if let Some(active) = self.active() {
            return Remedy::Rest(format!("rollout {} is under way", active.id()));
        }
        let candidate = self.candidate();
        match self.remediations.last().filter(|found| found.covers(episode)) {
            None => Remedy::Find(episode.clone()),
            Some(found) => match candidate {
                Err(why) => Remedy::Rest(why),
                Ok(_) if found.has_ended() => Remedy::Find(episode.clone()),
                Ok(version) if self.policy.mode == RemediationMode::Watch => {
                    Remedy::Rest(format!("watch: with `on`, a rollout of {version} would begin"))
                }
                Ok(version) => Remedy::Try(version.clone()),
            },
        }
    }

    /// The version that may be tried.
    ///
    /// # Errors
    /// There is none, or several, or a person cancelled it: what to do.
    fn candidate(&self) -> Result<&VersionName, String> {
        let waiting = self.versions.iter().filter(|(_, stage)| **stage == Stage::Staging).map(|(version, _)| version);
        let waiting: Vec<&VersionName> = waiting.collect();
        match waiting.as_slice() {
            [version] if self.held_back.contains(version) => {
                Err(format!("a rollout of {version} was cancelled: stage it again, or roll it out by hand"))
            }
            [version] => Ok(version),
            [] => Err(format!("no version of {} is in STAGING: stage the one to be tried", self.name)),
            several => Err(format!("several versions are in STAGING ({}): leave one", list(several))),
        }
    }

    /// Where a remediation stands.
    #[must_use]
    pub fn remediation_status(&self, remediation: &Remediation) -> RemediationStatus {
        let end = remediation.trial.as_ref().map(|trial| trial.end.map(|(status, _)| status));
        let is_last = self.remediations.last().is_some_and(|last| last.number == remediation.number);
        let may_follow = is_last && self.champion() == Some(&remediation.episode.version);
        match end {
            Some(None) => RemediationStatus::Executing,
            Some(Some(Status::Promoted)) => RemediationStatus::Completed,
            Some(Some(_)) => RemediationStatus::Partial,
            None if may_follow => RemediationStatus::Pending,
            None => RemediationStatus::Partial,
        }
    }

    /// Writes drift down.
    pub(super) fn find(&mut self, episode: &DriftEpisode, at_ms: u64) -> Result<(), ChangeError> {
        let mut wanted = episode.clone();
        // As many nodes find it; which one is first is chance.
        wanted.severity = wanted.severity.clamp(SEVERITY_MIN, 1_000);
        match self.remedy(Some(&wanted)) {
            Remedy::Find(_) if wanted == *episode => {}
            Remedy::Find(_) => {
                let why = format!("a severity of {} is none that something follows from", episode.severity);
                return Err(ChangeError::Remedy { model: self.name.clone(), why });
            }
            Remedy::Rest(why) => return Err(ChangeError::Remedy { model: self.name.clone(), why }),
            Remedy::Try(_) => {
                let why = "this drift is found already".to_owned();
                return Err(ChangeError::Remedy { model: self.name.clone(), why });
            }
        }
        self.found = self.found.saturating_add(1);
        let (number, episode) = (self.found, episode.clone());
        self.remediations.push(Remediation { number, episode, found_ms: at_ms, trial: None });
        let excess = self.remediations.len().saturating_sub(REMEDIATIONS_MAX);
        self.remediations.drain(..excess);
        Ok(())
    }

    /// Whether a rollout of a version may begin by itself: only as the rules say.
    pub(super) fn check_trial(&self, canary: &VersionName) -> Result<(), ChangeError> {
        let refusal = |why| Err(ChangeError::Remedy { model: self.name.clone(), why });
        let Some(found) = self.remediations.last().filter(|found| found.trial.is_none()) else {
            return refusal("no drift waits for a rollout".to_owned());
        };
        let episode = DriftEpisode { severity: SEVERITY_MIN, ..found.episode.clone() };
        match self.remedy(Some(&episode)) {
            Remedy::Try(version) if version == *canary => Ok(()),
            Remedy::Try(version) => refusal(format!("version {version} waits, not {canary}")),
            Remedy::Rest(why) => refusal(why),
            Remedy::Find(_) => refusal("other drift is to be written down first".to_owned()),
        }
    }

    /// Notes that the rollout that is under way is to remedy what was found last.
    pub(super) fn begin_trial(&mut self, canary: &VersionName, began_ms: u64) {
        let rollout = self.rollout.as_ref().map(|rollout| rollout.id().clone());
        if let (Some(found), Some(rollout)) = (self.remediations.last_mut(), rollout) {
            found.trial = Some(RemediationTrial { rollout, canary: canary.clone(), began_ms, end: None });
        }
    }

    /// Notes how a rollout ended, if it was to remedy something.
    pub(super) fn end_trial(&mut self, rollout: &RolloutId, status: Status, at_ms: u64) {
        let trials = self.remediations.iter_mut().filter_map(|found| found.trial.as_mut());
        for trial in trials.filter(|trial| trial.rollout == *rollout) {
            // One that was cancelled may still be rolled back.
            let is_first = trial.end.is_none();
            trial.end = Some((status, at_ms));
            self.failed = self.failed.saturating_add((is_first && status != Status::Promoted).into());
        }
    }

    /// How it is remedied.
    #[must_use]
    pub fn policy(&self) -> &RemediationPolicy {
        &self.policy
    }

    /// The latest remediations, the earliest first.
    #[must_use]
    pub fn remediations(&self) -> &[Remediation] {
        &self.remediations
    }

    /// How many remediations there ever were.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// How many of their rollouts ended otherwise than by a promotion.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed
    }
}
