//! Rollbacks that somebody wrote into a ledger, as they are read from there. What they lead to is for psi-rollout.

use psi_ledger::{
    body::Action,
    record::{Actor, Body, Kind, Record as LedgerRecord},
};
use psi_rollout::{
    ModelName, Rollback, RolloutId,
    model::{ACTOR_BYTES_MAX, REASON_BYTES_MAX, RolloutKey},
};
use psi_state::{LedgerRecord as LedgerShown, Replica};

/// What the body of such a record says was called.
pub(super) const METHOD: &str = "rollback";

/// The rollbacks that ledgers show.
pub(super) fn shown(replica: &Replica) -> Vec<(RolloutKey, Rollback)> {
    let rollback = |shown: &LedgerShown| LedgerRecord::decode(&shown.record).ok().as_ref().and_then(read);
    replica.ledger_records(|shown| rollback(shown).is_some()).iter().filter_map(rollback).collect()
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
