//! Rollbacks that somebody wrote into a ledger. They count without a majority.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use psi_ledger::{
    body::Action,
    record::{Actor, Body, Kind, Record as LedgerRecord},
};
use psi_rollout::{
    Change, Model, ModelEvent, ModelName, Record, RolloutId, Status,
    model::{ACTOR_BYTES_MAX, REASON_BYTES_MAX},
};
use psi_state::{LedgerRecord as LedgerShown, Replica};

/// What the body of such a record says was called.
pub(super) const METHOD: &str = "rollback";
/// So many are remembered. One is needed until a majority has decided it, or the model has another rollout.
const REMEMBERED_MAX: usize = 1_024;

/// A rollback: when, by whom and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rollback {
    at_ms: u64,
    actor: String,
    reason: String,
    /// By a node, for what its gates said.
    is_automatic: bool,
}

/// Which rollout of which model: two models may have rollouts of one name.
type RolloutKey = (ModelName, RolloutId);

/// The rollbacks that this node has seen, by rollout.
#[derive(Debug, Default)]
pub(super) struct Rollbacks {
    seen: Mutex<SeenRollbacks>,
}

#[derive(Debug, Default)]
struct SeenRollbacks {
    /// Up to which state of the ledgers.
    generation: Option<u64>,
    /// How many there ever were.
    count: u64,
    rollbacks: BTreeMap<RolloutKey, Rollback>,
    /// Those that ledgers still show.
    shown: BTreeSet<RolloutKey>,
}

impl Rollbacks {
    /// Takes over those that ledgers show. Returns how many there ever were.
    pub(super) fn take_over(&self, replica: &Replica) -> u64 {
        let generation = replica.ledger_generation();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.generation == Some(generation) {
            return seen.count;
        }
        seen.generation = Some(generation);
        seen.shown.clear();
        let rollback = |shown: &LedgerShown| LedgerRecord::decode(&shown.record).ok().as_ref().and_then(read);
        for (key, rollback) in replica.ledger_records(|shown| rollback(shown).is_some()).iter().filter_map(rollback) {
            seen.shown.insert(key.clone());
            // Of several the first counts, so that all who know the same say the same.
            if seen.rollbacks.get(&key).is_none_or(|known| rollback < *known) {
                seen.rollbacks.insert(key, rollback);
                seen.count += 1;
            }
        }
        while seen.rollbacks.len() > REMEMBERED_MAX {
            let oldest = seen.rollbacks.iter().min_by_key(|(_, rollback)| rollback.at_ms).map(|(key, _)| key.clone());
            oldest.map(|key| seen.rollbacks.remove(&key));
        }
        seen.count
    }

    /// Whether somebody rolled a rollout back.
    pub(super) fn has(&self, model: &ModelName, id: &RolloutId) -> bool {
        let key = (model.clone(), id.clone());
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).rollbacks.contains_key(&key)
    }

    /// Whether ledgers still show that a rollout was rolled back: they show the latest records alone.
    pub(super) fn are_shown(&self, model: &ModelName, id: &RolloutId) -> bool {
        let key = (model.clone(), id.clone());
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).shown.contains(&key)
    }

    /// A model, rolled back if somebody wrote that of its rollout.
    pub(super) fn applied_to(&self, model: &Model) -> Model {
        let change = model.rollout().and_then(|rollout| {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let Rollback { at_ms, actor, reason, is_automatic } =
                seen.rollbacks.get(&(model.name().clone(), rollout.id().clone()))?.clone();
            // What a person cancelled only a person rejects.
            if is_automatic && rollout.status() == Status::Cancelled {
                return None;
            }
            let event = ModelEvent::Rollout { id: rollout.id().clone(), record: Record::Rollback };
            Some(Change { event, at_ms, actor, reason, is_forced: false })
        });
        change.and_then(|change| model.follow(&change).ok()).unwrap_or_else(|| model.clone())
    }
}

fn read(record: &LedgerRecord) -> Option<(RolloutKey, Rollback)> {
    let Body::Inline(body) = &record.body else { return None };
    if record.kind != Kind::Rollback {
        return None;
    }
    let action = Action::decode(body).ok().filter(|action| action.method == METHOD)?;
    let (model, id) = action.object.split_once('/')?;
    let key = (ModelName::new(model).ok()?, RolloutId::new(id).ok()?);
    let actor = cut(&record.actor.to_string(), ACTOR_BYTES_MAX);
    let reason = cut(&action.action, REASON_BYTES_MAX);
    let is_automatic = matches!(record.actor, Actor::Node(_));
    Some((key, Rollback { at_ms: record.clock.wall_ms, actor, reason, is_automatic }))
}

/// A text in one line of at most so many bytes.
pub(crate) fn cut(text: &str, bytes: usize) -> String {
    let mut line: String = text.chars().map(|of| if of.is_control() { ' ' } else { of }).collect();
    while line.len() > bytes {
        line.pop();
    }
    line
}
