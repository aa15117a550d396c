//! Looks at the heads that runs show, and believes only those that go on from what this node holds.
//!
//! A head that can't be shown to go on is kept beside the one that is believed, and tried again. One that contradicts it
//! is kept for good: its node signed two histories, or another signed in its name. The records that a believed head covers
//! are fetched, so that this node can prove and export them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use psi_ledger::{HeldLog, LogName, Replacement, SignedHead, TreeHash};
use psi_replica::NodeId;
use psi_security::node_key::NodePublicKey;
use psi_state::LedgerHead;
use tracing::{debug, error, warn};

use super::{
    conflict::Conflict,
    fetch::{RecordBatch, fetch_heads, fetch_proof, fetch_records},
    store::{CONFLICTS_MAX, LedgerStore, LogRow, NewRecords, StoreError, blocking},
    writer::verified,
};
use crate::node::context::NodeContext;

/// How often the heads that are shown are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a log waits after its records or proofs could not be had: doubled each time, up to the most.
const RETRY: Duration = Duration::from_millis(500);
/// How often another node is asked for all that it holds.
const ASK: Duration = Duration::from_secs(30);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Believes heads, until the node stops.
pub(crate) struct LedgerAuditor {
    context: Arc<NodeContext>,
    /// The generation of the heads that were looked at.
    seen: Option<u64>,
    logs: BTreeMap<LogName, AuditState>,
    /// Keys of nodes that the cluster key vouched for, at some time. A later cluster key does not take that back.
    vouched: BTreeSet<(NodeId, NodePublicKey)>,
    /// Heads that nobody who is trusted signed. Each is counted once.
    refused: BTreeSet<String>,
    /// When another node was asked for all that it holds.
    asked: Option<Instant>,
}

/// What is known of a log beside what is stored.
#[derive(Debug, Default)]
struct AuditState {
    /// Since when a head is shown that is not believed.
    unproven: Option<Instant>,
    /// Not before this.
    next: Option<Instant>,
    failures: u32,
    /// All of it is stored up to the head that is shown.
    is_settled: bool,
}

impl LedgerAuditor {
    pub(crate) fn new(context: Arc<NodeContext>) -> Self {
        let (logs, vouched, refused) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { context, seen: None, logs, vouched, refused, asked: None }
    }

    /// Looks until the node stops.
    pub(crate) async fn run(mut self) {
        let stop = self.context.stop.clone();
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            if stop.run_until_cancelled(self.look()).await.is_none() {
                return;
            }
        }
    }

    async fn look(&mut self) {
        if self.asked.is_none_or(|asked| asked.elapsed() >= ASK) {
            self.ask_for_all().await;
        }
        let generation = self.context.read(|replica| replica.ledger_generation());
        let now = Instant::now();
        let is_due = |state: &AuditState| !state.is_settled && state.next.is_none_or(|next| next <= now);
        if self.seen == Some(generation) && !self.logs.values().any(is_due) {
            return self.report();
        }
        let (heads, own) = self.context.read(|replica| (replica.ledger_heads(), replica.origin().cloned()));
        if self.seen.replace(generation) != Some(generation) {
            self.logs.values_mut().for_each(|state| state.is_settled = false);
        }
        for head in &heads {
            if own.as_ref() != Some(&head.author) && !self.is_early(head) {
                let records = self.shown_records(head);
                self.review(head, records).await;
            }
        }
        self.report();
    }

    /// Looks at ledgers that another node holds and this one does not: those of runs that ended before it joined.
    async fn ask_for_all(&mut self) {
        let Some(heads) = fetch_heads(&self.context).await else { return };
        self.asked = Some(Instant::now());
        let held = blocking(&self.context.ledger.store, LedgerStore::logs).await.unwrap_or_default();
        let is_whole = |head: &LedgerHead| {
            let is_it = |row: &LogRow| row.held.missing() == 0 && row.held.head().note() == head.note;
            held.iter().any(|(log, row)| log.run == head.author && is_it(row))
        };
        let heads: Vec<_> = heads.iter().filter(|head| !is_whole(head) && !self.is_early(head)).collect();
        for head in heads {
            self.review(head, Vec::new()).await;
        }
    }

    /// Whether a head is of an earlier run of this node, and it is not known yet what this node's own disk knew of it.
    fn is_early(&self, head: &LedgerHead) -> bool {
        head.author.node == self.context.settings.node && !self.context.ledger.begun.load(Ordering::Acquire)
    }

    /// Looks at one head that is shown, and at the records that are shown with it, in order.
    async fn review(&mut self, shown: &LedgerHead, records: Vec<(u64, Vec<u8>)>) {
        let Some(head) = verified(shown) else {
            return self.record_refused(shown, "its signature is not that of the key that it names");
        };
        let log = head.head().log.clone();
        if !self.is_vouched(&log, &head, shown).await {
            return self.record_refused(shown, "no key of the cluster vouches for the key that signs it");
        }
        let state = self.logs.entry(log.clone()).or_default();
        if state.is_settled || state.next.is_some_and(|next| next > Instant::now()) {
            return;
        }
        match self.settle(&log, head, shown, records).await {
            Ok(true) => {
                self.logs.insert(log, AuditState { is_settled: true, ..AuditState::default() });
            }
            Ok(false) => self.postpone(&log),
            Err(error) => {
                self.context.metrics.ledger.record_failure();
                warn!(%log, "what others recorded can't be stored: {error}");
                self.postpone(&log);
            }
        }
    }

    /// Whether the key is the node's: by the word of the cluster key, now or when the ledger was first held.
    async fn is_vouched(&mut self, log: &LogName, head: &SignedHead, shown: &LedgerHead) -> bool {
        let (node, key) = (&log.run.node, head.public_key());
        if self.context.identity.check_node_key(node.as_str(), key, &shown.voucher) {
            self.vouched.insert((node.clone(), key));
        }
        if self.vouched.contains(&(node.clone(), key)) {
            return true;
        }
        let log = log.clone();
        let held = blocking(&self.context.ledger.store, move |store| store.log(&log)).await;
        held.is_ok_and(|row| row.is_some_and(|row| row.held.head().public_key() == key))
    }

    fn postpone(&mut self, log: &LogName) {
        let state = self.logs.entry(log.clone()).or_default();
        let wait = RETRY.saturating_mul(1 << state.failures.min(6)).min(RETRY_MAX);
        state.failures = state.failures.saturating_add(1);
        state.next = Some(Instant::now() + wait);
    }

    /// Believes the head if it may be, and stores what it covers. Returns whether all of that is done.
    async fn settle(
        &mut self,
        log: &LogName,
        head: SignedHead,
        shown: &LedgerHead,
        records: Vec<(u64, Vec<u8>)>,
    ) -> Result<bool, StoreError> {
        let store = self.context.ledger.store.clone();
        let stored = blocking(&store, {
            let log = log.clone();
            move |store| store.log(&log)
        });
        let mut row = stored.await?.unwrap_or_else(|| {
            debug!(%log, size = head.head().tree.size(), "a ledger that was not seen before");
            LogRow { held: HeldLog::first_seen(head.clone()), voucher: Vec::new(), conflicts: Vec::new() }
        });
        if !shown.voucher.is_empty() {
            row.voucher = shown.voucher.to_vec();
        }
        let records = following(records, row.held.archive().end());
        if !self.believe(log, &mut row, &head, &records).await? {
            return Ok(row.conflicts.contains(&head.note()));
        }
        self.logs.entry(log.clone()).or_default().unproven = None;
        self.fill(log, &mut row, records).await
    }

    /// Takes the head in place of the one that is held. Returns whether the one that is held is now the one that is shown.
    async fn believe(
        &mut self,
        log: &LogName,
        row: &mut LogRow,
        head: &SignedHead,
        records: &[Vec<u8>],
    ) -> Result<bool, StoreError> {
        let leaves: Vec<TreeHash> = records.iter().map(|leaf| TreeHash::of_leaf(leaf)).collect();
        let (mut replacement, _) = row.held.clone().advance(head, &leaves);
        if let Replacement::Unproven(_) = replacement {
            let sizes = (row.held.head().head().tree.size(), head.head().tree.size());
            if let Some(proof) = fetch_proof(&self.context, log, sizes).await {
                replacement = row.held.advance_by_proof(head, &proof);
            }
        } else if replacement == Replacement::Extended {
            // The records themselves are stored by what fills the archive.
            let first = row.held.archive().end();
            let count = usize::try_from(head.head().tree.size() - first).unwrap_or(usize::MAX).min(records.len());
            let _ = row.held.advance(head, &leaves);
            self.store(log, row, first, records[..count].to_vec()).await?;
        }
        match replacement {
            // The word of another cluster key may have come with it.
            Replacement::Same => self.store(log, row, row.held.archive().end(), Vec::new()).await.map(|()| true),
            Replacement::Extended => {
                self.context.metrics.ledger.record_believed();
                self.store(log, row, row.held.archive().end(), Vec::new()).await?;
                Ok(true)
            }
            Replacement::Unproven(cause) => {
                let since = self.logs.entry(log.clone()).or_default().unproven.get_or_insert_with(Instant::now);
                debug!(%log, waits_s = since.elapsed().as_secs(), "a head is not proved yet: {cause}");
                Ok(false)
            }
            Replacement::Smaller if head.head().clock <= row.held.head().head().clock => Ok(true),
            Replacement::Smaller => self.keep_conflict(log, row, head, Conflict::SetBack).await,
            Replacement::Fork => self.keep_conflict(log, row, head, Conflict::Fork).await,
            Replacement::OtherKey | Replacement::OtherLog => {
                self.keep_conflict(log, row, head, Conflict::OtherKey).await
            }
        }
    }

    /// Keeps both heads, and says so once.
    async fn keep_conflict(
        &self,
        log: &LogName,
        row: &mut LogRow,
        head: &SignedHead,
        conflict: Conflict,
    ) -> Result<bool, StoreError> {
        let note = head.note();
        if !row.conflicts.contains(&note) && row.conflicts.len() < CONFLICTS_MAX {
            error!(
                %log, conflict = conflict.name(), held = %row.held.head().note().escape_debug(), shown = %note.escape_debug(),
                "FORK: a node shows a head that contradicts one that it signed before; both are kept"
            );
            self.context.metrics.ledger.record_conflict(conflict);
            row.conflicts.push(note);
            self.store(log, row, row.held.archive().end(), Vec::new()).await?;
        }
        Ok(false)
    }

    /// Stores the records that the head covers, as far as they can be had. Returns whether they are all there.
    async fn fill(&mut self, log: &LogName, row: &mut LogRow, shown: Vec<Vec<u8>>) -> Result<bool, StoreError> {
        let mut shown = Some(shown).filter(|shown| !shown.is_empty() && row.held.missing() > 0);
        while row.held.missing() > 0 {
            let first = row.held.archive().end();
            let missing = usize::try_from(row.held.missing()).unwrap_or(usize::MAX);
            let from_state = shown.take().filter(|shown| shown.len() >= missing);
            let RecordBatch { mut records, proof } = match from_state {
                Some(records) => RecordBatch { records, proof: Vec::new() },
                None => match fetch_records(&self.context, log, first, row.held.head().head().tree.size()).await {
                    Some(fetched) => fetched,
                    None => return Ok(false),
                },
            };
            records.truncate(missing);
            let leaves: Vec<TreeHash> = records.iter().map(|leaf| TreeHash::of_leaf(leaf)).collect();
            if let Err(refusal) = row.held.archive_more(&leaves, &proof) {
                debug!(%log, first, "records of a ledger were not taken: {refusal}");
                return Ok(false);
            }
            self.store(log, row, first, records).await?;
        }
        Ok(true)
    }

    async fn store(&self, log: &LogName, row: &LogRow, first: u64, leaves: Vec<Vec<u8>>) -> Result<(), StoreError> {
        let (log, row) = (log.clone(), row.clone());
        let write = move |store: &LedgerStore| {
            store.write(&log, &row, &NewRecords { first, leaves: &leaves, bodies: &[], transitions: &[] })
        };
        blocking(&self.context.ledger.store, write).await
    }

    /// The records that a run shows, in order.
    fn shown_records(&self, shown: &LedgerHead) -> Vec<(u64, Vec<u8>)> {
        let records = self.context.read(|replica| replica.ledger_records(|record| record.author == shown.author));
        let mut records: Vec<_> = records.into_iter().map(|record| (record.number, record.record.to_vec())).collect();
        records.sort_unstable();
        records
    }

    fn record_refused(&mut self, shown: &LedgerHead, why: &'static str) {
        /// More are not remembered, and counted again.
        const REFUSED_MAX: usize = 1_024;
        if self.refused.len() >= REFUSED_MAX {
            self.refused.clear();
        }
        if !self.refused.insert(shown.note.clone()) {
            return;
        }
        if let Some(count) = self.context.ledger_refusals.record(&shown.author.node.to_string()) {
            error!(run = %shown.author, count, "refused the head of a ledger: {why}");
        }
        self.context.metrics.ledger.record_refusal();
    }

    /// How long the oldest head has been waiting for its proof.
    fn report(&self) {
        let oldest = self.logs.values().filter_map(|state| state.unproven).map(|since| since.elapsed()).max();
        let missing = self.logs.values().filter(|state| !state.is_settled).count();
        self.context.metrics.ledger.set_unproven(oldest.unwrap_or_default(), missing as u64);
    }
}

/// Those of some records that follow each other from `first` on.
fn following(records: Vec<(u64, Vec<u8>)>, first: u64) -> Vec<Vec<u8>> {
    let records = records.into_iter().skip_while(|(number, _)| *number < first);
    (first..).zip(records).take_while(|(want, (number, _))| want == number).map(|(_, (_, record))| record).collect()
}

#[cfg(test)]
impl LedgerAuditor {
    /// Looks at a head as if state showed it, now.
    pub(super) async fn review_shown(&mut self, shown: &LedgerHead, records: Vec<Vec<u8>>) {
        self.logs.clear();
        let size = psi_ledger::UnverifiedHead::parse(&shown.note).map_or(0, |head| head.unverified().tree.size());
        let first = size.saturating_sub(records.len() as u64);
        self.review(shown, (first..).zip(records).collect()).await;
    }
}
