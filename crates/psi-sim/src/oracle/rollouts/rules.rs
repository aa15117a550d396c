//! Which model may follow which, in words of the oracle's own.

use std::collections::BTreeSet;

use super::model::{PlainChange, PlainCommand, PlainEvent, PlainModel, PlainRollout, PlainStage, PlainStatus};

/// What is known beside the models themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Rollouts that ever began, by name.
    ids: BTreeSet<String>,
    /// Versions that were rejected, and that nobody forced to be more since.
    rejected: BTreeSet<String>,
    /// Versions of which nine steps of ten are slow, everywhere.
    pub(super) bad: BTreeSet<String>,
}

type Verdict = Result<(), String>;

fn require(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl History {
    /// Takes a model that was decided, and says what is wrong with it.
    pub(super) fn check(&mut self, before: &PlainModel, after: &PlainModel) -> Verdict {
        if before == after {
            return Ok(());
        }
        let change = after.last.as_ref().ok_or("nothing changed the model")?;
        require(after.in_stage(PlainStage::Production).len() <= 1, "two versions are champions")?;
        require(after.in_stage(PlainStage::Canary).len() <= 1, "two versions are canaries")?;
        match &change.event {
            PlainEvent::Staging { version, stage } => self.check_staging(before, after, (version, *stage, change)),
            PlainEvent::Start { canary } => self.check_start(before, after, canary, change),
            PlainEvent::Rollout { id, command, step } => {
                let was = before.rollout.as_ref().filter(|was| was.id == *id).ok_or("it is of no known rollout")?;
                let now = after.rollout.as_ref().ok_or("the rollout is gone")?;
                check_same(was, now)?;
                check_command(was, now, *command, change)?;
                self.check_advance((was, now), *command, *step, change)?;
                self.check_stages(before, after, now, change)
            }
        }
    }

    fn check_staging(
        &mut self,
        before: &PlainModel,
        after: &PlainModel,
        (version, stage, change): (&String, PlainStage, &PlainChange),
    ) -> Verdict {
        require(after.rollout == before.rollout, "a stage changed a rollout")?;
        let is_lifted = matches!(stage, PlainStage::Staging | PlainStage::Production);
        require(!is_lifted || change.is_forced || !self.rejected.contains(version), "a rejected version was staged")?;
        let is_named = stage == PlainStage::Production && before.versions.get(version) != Some(&stage);
        require(!is_named || before.active().is_none(), "a champion was named in a rollout")?;
        if stage == PlainStage::Rejected {
            self.rejected.insert(version.clone());
        } else if is_lifted {
            self.rejected.remove(version);
        }
        Ok(())
    }

    fn check_start(&mut self, before: &PlainModel, after: &PlainModel, canary: &str, change: &PlainChange) -> Verdict {
        require(!change.is_automatic, "a rollout began by itself")?;
        require(before.active().is_none(), "a rollout began beside another")?;
        let is_rejected = self.rejected.contains(canary);
        require(!is_rejected || change.is_forced, "a rejected version was rolled out, and nobody forced it")?;
        let rollout = after.rollout.as_ref().ok_or("a rollout began and is not there")?;
        require(self.ids.insert(rollout.id.clone()), "a rollout has the name of another")?;
        require(rollout.is_forced == is_rejected, "it is not as forced as it says")?;
        require(rollout.status == PlainStatus::Pending && rollout.steps == 0, "it does not begin at its beginning")?;
        require(
            rollout.canary == canary && before.in_stage(PlainStage::Production) == [rollout.champion.as_str()],
            "it is about other versions",
        )
    }

    /// The percentage only rises, one step at a time; by itself only after a whole window.
    fn check_advance(
        &self,
        (was, now): (&PlainRollout, &PlainRollout),
        command: PlainCommand,
        step: usize,
        change: &PlainChange,
    ) -> Verdict {
        if command == PlainCommand::Advance {
            require(now.steps == was.steps + 1 && now.steps <= now.schedule.len(), "it skips a step")?;
            require(step + 1 == now.steps && now.since_ms == change.at_ms, "the step begins otherwise than recorded")?;
            let rises = now.hundredths_in(now.status) > was.hundredths_in(was.status);
            require(rises, "the percentage does not rise")?;
        } else {
            require((now.steps, now.since_ms) == (was.steps, was.since_ms), "the step changed without an advance")?;
        }
        if !takes_further(command) || change.is_forced || (was.steps == 0 && command == PlainCommand::Advance) {
            return Ok(());
        }
        require(change.at_ms >= was.since_ms + was.window_ms, "a window was not over")?;
        let is_worse = self.bad.contains(&was.canary) && !self.bad.contains(&was.champion);
        require(!is_worse, "gates let a bad version pass")?;
        require(command != PlainCommand::Promote || was.steps == was.schedule.len(), "it was promoted early")
    }

    /// Stages follow the status.
    fn check_stages(
        &mut self,
        before: &PlainModel,
        after: &PlainModel,
        now: &PlainRollout,
        change: &PlainChange,
    ) -> Verdict {
        let stage = after.versions.get(&now.canary).copied();
        let champion = after.in_stage(PlainStage::Production);
        let is_promotion = matches!(change.event, PlainEvent::Rollout { command: PlainCommand::Promote, .. });
        if !is_promotion {
            require(champion == before.in_stage(PlainStage::Production), "the champion changed without a promotion")?;
        }
        match now.status {
            PlainStatus::Promoted if is_promotion => {
                let is_rejected = self.rejected.contains(&now.canary) && !now.is_forced;
                require(!is_rejected, "a rejected version was promoted")?;
                self.rejected.remove(&now.canary);
                require(champion == [now.canary.as_str()], "it was promoted and is no champion")
            }
            PlainStatus::RolledBack => {
                // One that was cancelled may have gone on to another stage since.
                if stage == Some(PlainStage::Rejected) {
                    self.rejected.insert(now.canary.clone());
                }
                let may_differ = before.rollout.as_ref().is_some_and(|was| was.status == PlainStatus::Cancelled);
                require(may_differ || stage == Some(PlainStage::Rejected), "it was rolled back and is not rejected")
            }
            _ => Ok(()),
        }
    }
}

/// Whether it leads to more traffic for the canary.
pub(super) fn takes_further(command: PlainCommand) -> bool {
    matches!(command, PlainCommand::Advance | PlainCommand::Promote)
}

fn check_same(was: &PlainRollout, now: &PlainRollout) -> Verdict {
    let of = |rollout: &PlainRollout| {
        let PlainRollout { id, champion, canary, schedule, window_ms, is_forced, .. } = rollout.clone();
        (id, champion, canary, schedule, window_ms, is_forced)
    };
    require(of(was) == of(now), "the rollout is about something else")
}

/// Which status follows which, and by whom.
fn check_command(was: &PlainRollout, now: &PlainRollout, command: PlainCommand, change: &PlainChange) -> Verdict {
    use PlainCommand::{Advance, Cancel, Pause, Promote, Resume, Rollback};
    use PlainStatus::{Cancelled, InProgress, Paused, Pending, Promoted, RolledBack};
    if change.is_automatic {
        require(matches!(command, Advance | Promote | Rollback), "a node did what is for people")?;
        let is_cancelled = was.status == Cancelled;
        require(command != Rollback || !is_cancelled, "a node rejected what a person cancelled")?;
    }
    if command != Rollback {
        require(!was.status.is_end(), "something follows an end")?;
        require(!change.is_automatic || was.status != Paused, "a paused rollout went on by itself")?;
    }
    let want = match (was.status, command) {
        (Pending | InProgress, Advance) | (Paused, Resume) => InProgress,
        (InProgress, Pause) => Paused,
        (InProgress, Promote) => Promoted,
        (Pending | InProgress | Paused, Cancel) => Cancelled,
        (Pending | InProgress | Paused | Cancelled, Rollback) => RolledBack,
        (Promoted, Rollback) if !was.is_late && now.is_late => Promoted,
        (status, command) => return Err(format!("{command:?} follows {status:?}")),
    };
    require(now.status == want, "the status is another than what happened leads to")
}
