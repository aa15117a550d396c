//! Records and heads as messages.

use psi_api::v1;
use psi_ledger::{
    LogName, Record, TreeHash,
    body::{Action, RunStart},
    record::{Body, Kind},
};

use psi_process::Transition;

use crate::governance::ledger::store::LogRow;

/// A record as callers see it; `None` if its bytes are none.
pub(super) fn record_message(log: &LogName, index: u64, leaf: &[u8]) -> Option<v1::LedgerRecord> {
    let record = Record::decode(leaf).ok()?;
    let Action { method, object, action, outcome, address, count } = action_of(log, &record);
    let evidence = record.evidence.iter().map(|piece| v1::LedgerEvidence {
        name: piece.name().to_owned(),
        sha256: piece.content().sha256.to_string(),
        size: piece.content().size,
    });
    Some(v1::LedgerRecord {
        log: log.to_string(),
        index,
        time: Some(psi_api::timestamp(record.clock)),
        counter: record.clock.counter,
        kind: record.kind.to_string(),
        actor: record.actor.to_string(),
        method,
        object,
        action,
        outcome,
        address,
        count,
        leaf_hash: TreeHash::of_leaf(leaf).to_string(),
        evidence: evidence.collect(),
        record: leaf.to_vec(),
    })
}

/// What a record says was done. Kinds of the ledger's own are put into words.
fn action_of(log: &LogName, record: &Record) -> Action {
    let Body::Inline(body) = &record.body else { return Action::default() };
    match record.kind {
        Kind::RunStart => {
            let start = RunStart::decode(body, log);
            let action = match start.as_ref().map(|start| (start.shows_rewind(), &start.own)) {
                Ok((true, _)) => "begins a ledger; its disk knows less than its peers".to_owned(),
                Ok((false, Some(own))) => format!("goes on after {} records of {}", own.tree.size(), own.log),
                _ => "begins the first ledger that it knows of".to_owned(),
            };
            Action { object: log.run.node.to_string(), action, ..Action::default() }
        }
        Kind::Transition => Transition::decode(body).map_or_else(
            |_| Action::default(),
            |transition| {
                let (object, action) = (transition.subject.to_string(), transition.action.to_string());
                Action { object, action, ..Action::default() }
            },
        ),
        Kind::ClusterCheckpoint | Kind::KeyChange | Kind::Later(_) => Action::default(),
        _ => Action::decode(body).unwrap_or_default(),
    }
}

/// A head as callers see it.
pub(super) fn head_message(log: &LogName, LogRow { held, voucher, conflicts }: &LogRow) -> v1::LedgerHead {
    let head = held.head();
    v1::LedgerHead {
        log: log.to_string(),
        size: head.head().tree.size(),
        held: held.archive().end(),
        time: Some(psi_api::timestamp(head.head().clock)),
        note: head.note(),
        public_key: head.public_key().to_string(),
        conflicts: conflicts.clone(),
        voucher: voucher.clone(),
    }
}
