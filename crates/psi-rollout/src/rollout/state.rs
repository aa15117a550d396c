//! A rollout, and how records change it.

use super::{
    facts::StartFacts,
    record::{Command, Force, Record, Status},
    refusal::Refusal,
};
use crate::{
    assignment::{Arm, KeyHash, Percent, StepKey},
    name::{ModelName, ModelVersion, RolloutId, VersionName},
    outcome::Outcomes,
    plan::Plan,
};

/// What a rollout is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutSetup {
    /// What it is called.
    pub id: RolloutId,
    /// The model.
    pub model: ModelName,
    /// The version that answers now.
    pub champion: VersionName,
    /// The version that is to take over.
    pub canary: VersionName,
    /// How.
    pub plan: Plan,
}

/// A rollout: two versions of a model, and where the change from one to the other stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    pub(super) id: RolloutId,
    pub(super) champion: ModelVersion,
    pub(super) canary: ModelVersion,
    pub(super) plan: Plan,
    pub(super) is_forced: bool,
    pub(super) status: Status,
    pub(super) step: Option<usize>,
    pub(super) since_ms: u64,
    pub(super) frozen_champion: Option<Outcomes>,
    pub(super) has_late_rollback: bool,
}

/// What a record did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The rollout changed.
    Change,
    /// It was rolled back already.
    Repetition,
    /// A rollback came after PROMOTED was decided. The status stays; people must hear of it.
    LateRollback,
}

impl Rollout {
    /// Begins a rollout: PENDING, so that the champion answers all.
    ///
    /// # Errors
    /// [`Refusal`] if the canary is the champion, was rejected (unless forced), would be one live version too many, or if
    /// another rollout of the model is under way.
    pub fn start(setup: RolloutSetup, force: Option<&Force>, facts: &StartFacts<'_>) -> Result<Self, Refusal> {
        let RolloutSetup { id, model, champion, canary, plan } = setup;
        if canary == champion {
            return Err(Refusal::SameVersion { model, version: canary });
        }
        if let Some(active) = facts.active {
            return Err(Refusal::Active { model, active: active.clone() });
        }
        if force.is_none() && facts.rejected.contains(&canary) {
            return Err(Refusal::Rejected { command: Command::Advance, version: canary });
        }
        let is_forced = facts.rejected.contains(&canary);
        let mut live = facts.live.clone();
        live.add(&champion)?;
        live.add(&canary)?;
        Ok(Self {
            id,
            champion: ModelVersion::new(model.clone(), champion)?,
            canary: ModelVersion::new(model, canary)?,
            plan,
            is_forced,
            status: Status::Pending,
            step: None,
            since_ms: 0,
            frozen_champion: None,
            has_late_rollback: false,
        })
    }

    /// A rollout after what a majority decided, in its order, and after rollbacks, which need no majority and have no order.
    /// Records that may not happen change nothing.
    ///
    /// A rollback counts wherever it was written, even beside a record that lost, unless PROMOTED was decided.
    #[must_use]
    pub fn fold(mut self, decided: &[Record], rollbacks: usize) -> Self {
        for record in decided.iter().filter(|record| record.command() != Command::Rollback) {
            let _ = self.apply(record);
        }
        let among_decided = decided.iter().filter(|record| record.command() == Command::Rollback).count();
        for _ in 0..rollbacks + among_decided {
            let _ = self.apply(&Record::Rollback);
        }
        self
    }

    /// Does what a record says. Only statuses and the order of steps are checked here: the facts were, by
    /// [`Self::propose`], before the record was decided.
    ///
    /// # Errors
    /// [`Refusal::Ended`], [`Refusal::Status`], [`Refusal::LastStep`] or [`Refusal::Order`].
    pub fn apply(&mut self, record: &Record) -> Result<Effect, Refusal> {
        match (record, self.status) {
            (Record::Rollback, Status::RolledBack) => return Ok(Effect::Repetition),
            (Record::Rollback, Status::Promoted) => {
                self.has_late_rollback = true;
                return Ok(Effect::LateRollback);
            }
            _ => self.check_status(record.command())?,
        }
        self.status = match record {
            Record::Advance { step, at_ms, frozen_champion } => {
                self.begin(*step, *at_ms, frozen_champion.as_ref())?;
                Status::InProgress
            }
            Record::Resume => Status::InProgress,
            Record::Pause => Status::Paused,
            Record::Rollback => Status::RolledBack,
            Record::Promote => Status::Promoted,
            Record::Cancel => Status::Cancelled,
        };
        Ok(Effect::Change)
    }

    fn begin(&mut self, step: usize, at_ms: u64, frozen: Option<&Outcomes>) -> Result<(), Refusal> {
        let want = self.next_step()?;
        if step != want {
            return Err(Refusal::Order { got: step, want });
        }
        (self.step, self.since_ms, self.frozen_champion) = (Some(step), at_ms, frozen.cloned());
        Ok(())
    }

    pub(super) fn check_status(&self, command: Command) -> Result<(), Refusal> {
        let status = self.status;
        if command.allowed().contains(&status) {
            Ok(())
        } else if status.is_end() {
            Err(Refusal::Ended { command, status })
        } else {
            Err(Refusal::Status { command, status })
        }
    }

    /// The step that an advance leads to.
    pub(super) fn next_step(&self) -> Result<usize, Refusal> {
        let next = self.step.map_or(0, |step| step + 1);
        let steps = self.plan.schedule().len();
        if next < steps { Ok(next) } else { Err(Refusal::LastStep { percent: self.percent(), steps }) }
    }

    /// What it is called.
    #[must_use]
    pub fn id(&self) -> &RolloutId {
        &self.id
    }

    /// The version that answers by default.
    #[must_use]
    pub fn champion(&self) -> &ModelVersion {
        &self.champion
    }

    /// The version that is rolled out.
    #[must_use]
    pub fn canary(&self) -> &ModelVersion {
        &self.canary
    }

    /// What it follows.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// The current step of the schedule, from 0; `None` before the first.
    #[must_use]
    pub fn step(&self) -> Option<usize> {
        self.step
    }

    /// When that step began.
    #[must_use]
    pub fn since_ms(&self) -> u64 {
        self.since_ms
    }

    /// Whether a person started it with a version that was rejected.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.is_forced
    }

    /// The record of the champion that the canary is judged against where the champion answers no more.
    #[must_use]
    pub fn frozen_champion(&self) -> Option<&Outcomes> {
        self.frozen_champion.as_ref()
    }

    /// Whether somebody rolled it back after PROMOTED was decided.
    #[must_use]
    pub fn has_late_rollback(&self) -> bool {
        self.has_late_rollback
    }

    /// The share of keys that the canary answers.
    #[must_use]
    pub fn percent(&self) -> Percent {
        let scheduled = || self.step.and_then(|step| self.plan.schedule().get(step).copied());
        match self.status {
            Status::Pending | Status::RolledBack | Status::Cancelled => Percent::ZERO,
            Status::InProgress | Status::Paused => scheduled().unwrap_or_default(),
            Status::Promoted => Percent::ALL,
        }
    }

    /// Who answers a step that names no version. Without a key it is the champion, and after PROMOTED the canary.
    #[must_use]
    pub fn arm(&self, key: Option<StepKey<'_>>) -> Arm {
        match (self.status, key) {
            (Status::Promoted, _) => Arm::Canary,
            (_, None) => Arm::Champion,
            (_, Some(key)) => KeyHash::new(&self.id, key).arm(self.percent()),
        }
    }

    /// The version that answers a step that names none.
    #[must_use]
    pub fn version_for(&self, key: Option<StepKey<'_>>) -> &ModelVersion {
        match self.arm(key) {
            Arm::Champion => &self.champion,
            Arm::Canary => &self.canary,
        }
    }
}
