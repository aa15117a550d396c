//! A model, and how changes change it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    change::{Change, ModelEvent},
    error::ChangeError,
    history::EndedRollout,
    remediation::{Remediation, RemediationPolicy},
    stage::Stage,
};
use crate::{
    assignment::StepKey,
    name::{LiveVersions, ModelName, NameError, RolloutId, VersionName},
    plan::Plan,
    rollout::{Effect, Force, Record, Rollout, RolloutSetup, StartFacts, Status},
};

/// A model takes no more bytes than this.
pub const MODEL_BYTES_MAX: usize = 4_096;

/// Versions that do not answer, and rollouts that have ended: so many are remembered.
const ARCHIVED_MAX: usize = 12;
const ENDED_MAX: usize = 8;

/// A model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub(super) name: ModelName,
    pub(super) versions: BTreeMap<VersionName, Stage>,
    pub(super) rollout: Option<Rollout>,
    /// When that one began.
    pub(super) began_ms: u64,
    /// Rollouts that ever began.
    pub(super) rollouts: u64,
    /// Those that were rolled back.
    pub(super) rolled_back: u64,
    pub(super) ended: Vec<EndedRollout>,
    /// Versions that came back to STAGING because a person cancelled their rollout.
    pub(super) held_back: BTreeSet<VersionName>,
    pub(super) policy: RemediationPolicy,
    pub(super) remediations: Vec<Remediation>,
    /// Remediations that ever were, and those whose rollouts failed.
    pub(super) found: u64,
    pub(super) failed: u64,
    pub(super) last: Option<Change>,
}

impl Model {
    /// A model of which nothing is known.
    #[must_use]
    pub fn new(name: ModelName) -> Self {
        Self {
            name,
            versions: BTreeMap::new(),
            rollout: None,
            began_ms: 0,
            rollouts: 0,
            rolled_back: 0,
            ended: Vec::new(),
            held_back: BTreeSet::new(),
            policy: RemediationPolicy::default(),
            remediations: Vec::new(),
            found: 0,
            failed: 0,
            last: None,
        }
    }

    /// The model after a change.
    ///
    /// # Errors
    /// [`ChangeError`] says why it may not happen.
    pub fn follow(&self, change: &Change) -> Result<Self, ChangeError> {
        change.check_texts()?;
        let change = &change.clone().at_one_time();
        let mut next = self.clone();
        match &change.event {
            ModelEvent::Staging { version, stage } => next.set_stage(version, *stage, change.is_forced)?,
            ModelEvent::Start { canary, plan, is_remedy } => {
                if *is_remedy {
                    next.check_trial(canary)?;
                }
                next.start(canary, plan, change)?;
                if *is_remedy {
                    next.begin_trial(canary, change.at_ms);
                }
            }
            ModelEvent::Remediation(policy) => next.policy = policy.clone(),
            ModelEvent::Drift(episode) => next.find(episode, change.at_ms)?,
            ModelEvent::Rollout { id, record } => next.record(id, record, change.at_ms)?,
        }
        next.last = Some(change.clone());
        next.forget()?;
        Ok(next)
    }

    fn set_stage(&mut self, version: &VersionName, to: Stage, is_forced: bool) -> Result<(), ChangeError> {
        let from = self.versions.get(version).copied();
        if from == Some(to) {
            self.held_back.remove(version);
            return Ok(());
        }
        let refusal = |way_out| {
            let (model, version) = (self.name.clone(), version.clone());
            Err(ChangeError::Stage { model, version, from: from.unwrap_or(Stage::Staging), to, way_out })
        };
        match (from, to) {
            (_, Stage::Canary) => return refusal("a rollout makes it that (psi-field rollout start)"),
            (Some(Stage::Canary), _) => return refusal("promote, roll back or cancel its rollout"),
            (Some(Stage::Production), _) => return refusal("it is the champion; promote another version first"),
            (Some(Stage::Rejected), Stage::Staging | Stage::Production) if !is_forced => {
                return refusal("give the next version a new name, or force with a reason");
            }
            _ => {}
        }
        if to == Stage::Production {
            if let Some(active) = self.active() {
                return Err(crate::Refusal::Active { model: self.name.clone(), active: active.id().clone() }.into());
            }
            if let Some(before) = self.champion().cloned() {
                self.versions.insert(before, Stage::Archived);
            }
        }
        if to.is_live() {
            self.live().add(version).map_err(crate::Refusal::from)?;
        }
        self.versions.insert(version.clone(), to);
        self.held_back.remove(version);
        Ok(())
    }

    fn start(&mut self, canary: &VersionName, plan: &Plan, change: &Change) -> Result<(), ChangeError> {
        let champion = self.champion().ok_or_else(|| ChangeError::NoChampion { model: self.name.clone() })?;
        let setup = RolloutSetup {
            id: self.next_id(canary).map_err(crate::Refusal::from)?,
            model: self.name.clone(),
            champion: champion.clone(),
            canary: canary.clone(),
            plan: plan.clone(),
        };
        let (live, rejected) = (self.live(), self.rejected());
        let facts = StartFacts { live: &live, rejected: &rejected, active: self.active().map(Rollout::id) };
        let force = change.is_forced.then(|| Force::new(&change.reason)).transpose();
        let force = force.map_err(|error| ChangeError::Text { what: "reason", bytes: error.bytes, limit: 512 })?;
        let rollout = Rollout::start(setup, force.as_ref(), &facts)?;
        self.versions.insert(canary.clone(), Stage::Canary);
        self.held_back.remove(canary);
        (self.rollout, self.began_ms, self.rollouts) = (Some(rollout), change.at_ms, self.rollouts.saturating_add(1));
        Ok(())
    }

    fn record(&mut self, id: &RolloutId, record: &Record, at_ms: u64) -> Result<(), ChangeError> {
        let Some(rollout) = self.rollout.as_mut() else {
            return Err(ChangeError::NoRollout { model: self.name.clone() });
        };
        if rollout.id() != id {
            let (model, current) = (self.name.clone(), rollout.id().clone());
            return Err(ChangeError::OtherRollout { model, got: id.clone(), current });
        }
        let (before, percent, was_late) = (rollout.status(), rollout.percent(), rollout.has_late_rollback());
        match rollout.apply(record)? {
            Effect::Change => {}
            Effect::LateRollback if !was_late => return Ok(()),
            // What was done already is not done again.
            Effect::LateRollback | Effect::Repetition => {
                return Err(crate::Refusal::Ended { command: record.command(), status: before }.into());
            }
        }
        let (status, canary) = (rollout.status(), rollout.canary().version().clone());
        let stage = match status {
            Status::Pending | Status::InProgress | Status::Paused => return Ok(()),
            Status::Promoted => Stage::Production,
            Status::RolledBack => Stage::Rejected,
            // What was rejected before is so again.
            Status::Cancelled if rollout.is_forced() => Stage::Rejected,
            Status::Cancelled => Stage::Staging,
        };
        let mut ended = EndedRollout::of(rollout, percent, (self.began_ms, at_ms));
        self.end_trial(id, status, at_ms);
        // One that was cancelled may still be rolled back.
        if let Some(place) = self.ended.iter().position(|before| before.id == ended.id) {
            ended.percent = self.ended.remove(place).percent;
        }
        self.ended.push(ended);
        if stage == Stage::Production
            && let Some(before) = self.champion().cloned()
        {
            self.versions.insert(before, Stage::Archived);
        }
        self.rolled_back = self.rolled_back.saturating_add((status == Status::RolledBack).into());
        // It may have gone on to another stage since it was cancelled.
        if !before.is_end() || self.versions.get(&canary) == Some(&Stage::Staging) {
            self.held_back.remove(&canary);
            if stage == Stage::Staging {
                self.held_back.insert(canary.clone());
            }
            self.versions.insert(canary, stage);
        }
        Ok(())
    }

    /// What a rollout of this version would be called: no other was before, and keys fall otherwise in each.
    fn next_id(&self, canary: &VersionName) -> Result<RolloutId, NameError> {
        let number = self.rollouts.saturating_add(1);
        let names = [format!("{}-{canary}-{number}", self.name), format!("{}-{number}", self.name)];
        let fitting = names.iter().find_map(|name| RolloutId::new(name).ok());
        // A name of a model alone may be as long as that of a rollout.
        let digest = blake3::hash(self.name.as_str().as_bytes()).to_hex();
        fitting.map_or_else(|| RolloutId::new(&format!("{}-{number}", &digest[..32])), Ok)
    }

    /// Keeps within the limits: of what answers no more, the rest is forgotten.
    fn forget(&mut self) -> Result<(), ChangeError> {
        let excess = self.ended.len().saturating_sub(ENDED_MAX);
        self.ended.drain(..excess);
        let remembered: BTreeSet<VersionName> =
            self.ended.iter().flat_map(|ended| [&ended.champion, &ended.canary]).cloned().collect();
        let newest = match self.last.as_ref().map(|change| &change.event) {
            Some(ModelEvent::Staging { version, .. }) => Some(version.clone()),
            _ => None,
        };
        // What was rejected is to stay so for as long as that can be.
        let rank = |(version, stage): &(&VersionName, &Stage)| {
            (Some(*version) == newest.as_ref(), **stage == Stage::Rejected, remembered.contains(*version))
        };
        while self.versions.values().filter(|stage| !stage.is_live()).count() > ARCHIVED_MAX {
            let first = self.versions.iter().filter(|(_, stage)| !stage.is_live()).min_by_key(rank);
            let Some(version) = first.map(|(version, _)| version.clone()) else { break };
            self.versions.remove(&version);
        }
        while self.to_bytes().len() > MODEL_BYTES_MAX && !self.ended.is_empty() {
            self.ended.remove(0);
        }
        // The latest is what keeps drift from being found twice.
        while self.to_bytes().len() > MODEL_BYTES_MAX && self.remediations.len() > 1 {
            self.remediations.remove(0);
        }
        let bytes = self.to_bytes().len();
        if bytes > MODEL_BYTES_MAX {
            return Err(ChangeError::Length { model: self.name.clone(), bytes, limit: MODEL_BYTES_MAX });
        }
        Ok(())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ModelName {
        &self.name
    }

    /// All versions that are known, by name.
    #[must_use]
    pub fn versions(&self) -> &BTreeMap<VersionName, Stage> {
        &self.versions
    }

    /// The version that answers.
    #[must_use]
    pub fn champion(&self) -> Option<&VersionName> {
        self.versions.iter().find(|(_, stage)| **stage == Stage::Production).map(|(version, _)| version)
    }

    /// The rollout that began last; it may have ended.
    #[must_use]
    pub fn rollout(&self) -> Option<&Rollout> {
        self.rollout.as_ref()
    }

    /// When that one began.
    #[must_use]
    pub fn began_ms(&self) -> u64 {
        self.began_ms
    }

    /// The rollout that is under way.
    #[must_use]
    pub fn active(&self) -> Option<&Rollout> {
        self.rollout.as_ref().filter(|rollout| !rollout.status().is_end())
    }

    /// How many rollouts ever began.
    #[must_use]
    pub fn rollouts(&self) -> u64 {
        self.rollouts
    }

    /// How many were rolled back.
    #[must_use]
    pub fn rolled_back(&self) -> u64 {
        self.rolled_back
    }

    /// Rollouts that have ended, the earliest first.
    #[must_use]
    pub fn ended(&self) -> &[EndedRollout] {
        &self.ended
    }

    /// What changed it last.
    #[must_use]
    pub fn last(&self) -> Option<&Change> {
        self.last.as_ref()
    }

    /// Versions that take steps.
    #[must_use]
    pub fn live(&self) -> LiveVersions {
        let mut live = LiveVersions::default();
        for (version, _) in self.versions.iter().filter(|(_, stage)| stage.is_live()) {
            let _ = live.add(version);
        }
        live
    }

    /// Versions that were rejected.
    #[must_use]
    pub fn rejected(&self) -> BTreeSet<VersionName> {
        let rejected = self.versions.iter().filter(|(_, stage)| **stage == Stage::Rejected);
        rejected.map(|(version, _)| version.clone()).collect()
    }

    /// The version that answers a step that names none; `None` where there is no champion.
    #[must_use]
    pub fn version_for(&self, key: Option<StepKey<'_>>) -> Option<&VersionName> {
        self.active().map_or_else(|| self.champion(), |rollout| Some(rollout.version_for(key).version()))
    }
}
