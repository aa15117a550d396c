//! Rollbacks that somebody wrote down. They count without a majority, wherever they are seen.
//!
//! What is left out: where they are written, and how they reach others.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    change::{Change, ModelEvent},
    error::ChangeError,
    state::Model,
    vote::VoteRefusal,
};
use crate::{
    name::{ModelName, RolloutId},
    rollout::{Record, Refusal, Rollout, Status},
};

/// So many are remembered. One is needed until a majority has decided it, or the model has another rollout.
const REMEMBERED_MAX: usize = 1_024;

/// A rollback: when, by whom and why. Those of people come before those of nodes, and the earlier before the later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rollback {
    /// By a node, for what its gates said.
    pub is_automatic: bool,
    /// When it was written, by the clock of its writer.
    pub at_ms: u64,
    /// Who wrote it: a person, or a node by itself.
    pub actor: String,
    /// Why, in words and numbers.
    pub reason: String,
}

/// Which rollout of which model: two models may have rollouts of one name.
pub type RolloutKey = (ModelName, RolloutId);

/// The rollbacks that a node has seen, by rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollbacks {
    /// How many there ever were.
    count: u64,
    known: BTreeMap<RolloutKey, Rollback>,
    /// Those that are still shown.
    shown: BTreeSet<RolloutKey>,
}

impl Rollbacks {
    /// Takes over those that are shown now. What was shown before is remembered.
    pub fn take_over(&mut self, shown: impl IntoIterator<Item = (RolloutKey, Rollback)>) {
        self.shown.clear();
        for (key, rollback) in shown {
            self.shown.insert(key.clone());
            // Of several the first counts, so that all who know the same say the same. One of a person is not hidden
            // behind one of a node, which does less.
            if self.known.get(&key).is_none_or(|known| rollback < *known) {
                self.known.insert(key, rollback);
                self.count += 1;
            }
        }
        while self.known.len() > REMEMBERED_MAX {
            let oldest = self.known.iter().min_by_key(|(_, rollback)| rollback.at_ms).map(|(key, _)| key.clone());
            oldest.map(|key| self.known.remove(&key));
        }
    }

    /// Rises with each one that counts.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether somebody rolled the latest rollout of a model back.
    #[must_use]
    pub fn has(&self, model: &Model) -> bool {
        model.rollout().is_some_and(|rollout| self.known.contains_key(&(model.name().clone(), rollout.id().clone())))
    }

    /// Whether it is still shown that a rollout was rolled back.
    #[must_use]
    pub fn is_shown(&self, model: &ModelName, id: &RolloutId) -> bool {
        self.shown.contains(&(model.clone(), id.clone()))
    }

    /// A decided model as it counts: rolled back if somebody wrote that of its rollout.
    #[must_use]
    pub fn applied_to(&self, decided: &Model) -> Model {
        let change = decided.rollout().and_then(|rollout| {
            let rollback = self.known.get(&(decided.name().clone(), rollout.id().clone()))?;
            // What a person cancelled only a person rejects.
            if rollback.is_automatic && rollout.status() == Status::Cancelled {
                return None;
            }
            let Rollback { at_ms, actor, reason, is_automatic: _ } = rollback.clone();
            let event = ModelEvent::Rollout { id: rollout.id().clone(), record: Record::Rollback };
            Some(Change { event, at_ms, actor, reason, is_forced: false })
        });
        change.and_then(|change| decided.follow(&change).ok()).unwrap_or_else(|| decided.clone())
    }

    /// Whether what follows by itself may still be proposed after what was `decided`: a step, or a rollback that somebody
    /// wrote.
    ///
    /// # Errors
    /// The rollout has ended meanwhile, or was rolled back. Only the rollback itself is still to be decided then.
    pub fn check_step(&self, decided: &Model, (id, record): (&RolloutId, &Record)) -> Result<(), ChangeError> {
        let counts = self.applied_to(decided);
        let status = counts.rollout().filter(|rollout| rollout.id() == id).map(Rollout::status);
        let is_over = |status: Status| match record {
            // A person has cancelled it meanwhile, and no person rolled it back.
            Record::Rollback => status == Status::Cancelled,
            _ => status.is_end(),
        };
        match status.filter(|status| is_over(*status)) {
            Some(status) => Err(Refusal::Ended { command: record.command(), status }.into()),
            None => Ok(()),
        }
    }

    /// Whether a voter that knows these rollbacks may vote for a model.
    ///
    /// A promotion is what a rollback does not undo once it is decided: before that it is in time.
    ///
    /// # Errors
    /// [`VoteRefusal::RolledBack`]: it takes a rollout further that was rolled back.
    pub fn check_vote(&self, next: &Model) -> Result<(), VoteRefusal> {
        // What else happens to the model does not take the rollout further.
        let goes_on = match next.last().map(|change| &change.event) {
            Some(ModelEvent::Rollout { record, .. }) => *record != Record::Rollback,
            _ => false,
        };
        if goes_on && self.has(next) { Err(VoteRefusal::RolledBack { model: next.name().clone() }) } else { Ok(()) }
    }
}

impl Model {
    /// A rollback that counts and is not decided yet. `self` is decided, and `counts` is what it comes to.
    #[must_use]
    pub fn pending_rollback<'a>(&self, counts: &'a Self) -> Option<&'a Change> {
        let state = |model: &Self| model.rollout().map(|rollout| (rollout.status(), rollout.has_late_rollback()));
        counts.last().filter(|_| state(self) != state(counts))
    }
}
