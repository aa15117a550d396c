//! Writes the ledger of this node's run: records to leaves, leaves and their head to the disk, and then to the others.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use psi_ledger::{
    CompactRange, Head, HeldLog, LogName, Record, SignedHead, TreeHash, UnverifiedHead,
    body::{NamedHead, RunStart},
    record::{Actor, BODY_BYTES_MAX, Body, Kind},
};
use psi_replica::{Clock, Origin};
use psi_security::node_key::NodePublicKey;
use psi_state::{LedgerHead, LedgerRecord};
use tokio::{sync::oneshot, time::Instant};
use tracing::{error, warn};

use super::{
    NewRecord, WriterRequest,
    store::{LogRow, NewRecords, RecordPlace, blocking},
};
use crate::{
    governance::process::documents::transition_blob,
    node::{context::NodeContext, log_limit::LogLimit},
};

/// Most records that are stored and signed at once.
const BATCH_MAX: usize = 256;
/// How long to wait where the replica or the disk can't take a record.
const RETRY: Duration = Duration::from_millis(250);

/// The ledger of the current run, as it stands on the disk.
struct OwnLog {
    log: LogName,
    held: HeldLog,
    /// Records that the replica does not show yet.
    unshown: Vec<LedgerRecord>,
    /// Whose word was shown with the head that this node's key is its own.
    shown_voucher: Option<Vec<u8>>,
}

/// Writes what is recorded until the node stops.
pub(crate) struct LedgerWriter {
    context: Arc<NodeContext>,
    own: Option<OwnLog>,
    /// The last head of this node's earlier runs that its disk had at the start. What others give back later is not the
    /// disk's.
    before: Option<SignedHead>,
    failures: LogLimit,
}

/// Records with their clocks and bytes.
#[derive(Default)]
struct Batch {
    leaves: Vec<Vec<u8>>,
    clocks: Vec<Clock>,
    bodies: Vec<Vec<u8>>,
    /// Which of the leaves are transitions, their hashes, and the transitions.
    transitions: Vec<(usize, [u8; 32], Vec<u8>)>,
    placed: Vec<(usize, oneshot::Sender<RecordPlace>)>,
}

impl LedgerWriter {
    /// Reads the disk, before others give back what it lost.
    pub(crate) fn new(context: Arc<NodeContext>) -> Self {
        let settings = &context.settings;
        let is_own = |log: &LogName| log.cluster == settings.cluster && log.run.node == settings.node;
        let logs = context.ledger.store.logs().unwrap_or_default().into_iter().filter(|(log, _)| is_own(log));
        let before = logs.max_by_key(|(log, _)| log.run.incarnation).map(|(_, row)| row.held.head().clone());
        Self { context, own: None, before, failures: LogLimit::default() }
    }

    /// Writes until the node stops.
    pub(crate) async fn run(mut self) {
        let Some(mut requests) = self.context.ledger.take_requests() else { return };
        let stop = self.context.stop.clone();
        loop {
            let next = tokio::select! {
                request = requests.recv() => request,
                () = self.needs_attention() => None,
                () = stop.cancelled() => return,
            };
            let mut waiting = Vec::new();
            let mut flushed = Vec::new();
            let mut next = next;
            while let Some(request) = next {
                match request {
                    WriterRequest::Append(record) => waiting.push(record),
                    WriterRequest::Flush(done) => flushed.push(done),
                }
                next = if waiting.len() < BATCH_MAX { requests.try_recv().ok() } else { None };
            }
            if stop.run_until_cancelled(self.write(waiting)).await.is_none() {
                return;
            }
            for done in flushed {
                let _ = done.send(());
            }
        }
    }

    /// Resolves when there is something to do beside what is recorded: a run that has no ledger, or records to show.
    async fn needs_attention(&self) {
        tokio::time::sleep(RETRY).await;
        loop {
            let origin = self.context.read(|replica| replica.origin().cloned());
            let is_begun = match (&origin, &self.own) {
                (None, _) => true,
                (Some(origin), Some(own)) => own.log.run == *origin && !self.is_to_show(own),
                (Some(_), None) => false,
            };
            if !is_begun {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Whether others are to see something else of the ledger: records, or the word of another cluster key.
    fn is_to_show(&self, own: &OwnLog) -> bool {
        !own.unshown.is_empty() || own.shown_voucher.as_ref() != Some(&self.voucher())
    }

    /// Writes records, and begins a ledger where the run has none.
    async fn write(&mut self, mut records: Vec<NewRecord>) {
        loop {
            let Some(origin) = self.ready_origin().await else { return self.record_dropped(records.len()) };
            if self.own.as_ref().is_none_or(|own| own.log.run != origin) {
                self.before = self.own.take().map(|own| own.held.head().clone()).or(self.before.take());
                let log = LogName { cluster: self.context.settings.cluster.clone(), run: origin };
                let Some(start) = self.run_start(&log) else { return };
                records.insert(0, start);
                if !self.append(&log, records).await {
                    return;
                }
            } else if !records.is_empty() {
                let log = self.own.as_ref().map(|own| own.log.clone());
                let Some(log) = log else { return };
                if !self.append(&log, records).await {
                    return;
                }
            }
            match self.show() {
                // The run changed meanwhile: its ledger is begun at once.
                Some(false) => records = Vec::new(),
                _ => return,
            }
        }
    }

    /// The run that may write, once one may; `None` if the node is about to stop.
    async fn ready_origin(&self) -> Option<Origin> {
        loop {
            if let Ok((origin, _)) = self.context.write(|replica, now| replica.ledger_clock(now)) {
                return Some(origin);
            }
            if self.context.leaving.is_cancelled() {
                return None;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// What the first record of a run says: how far the node's earlier ledgers had come, as it knows and as others show.
    fn run_start(&self, log: &LogName) -> Option<NewRecord> {
        let is_earlier = |other: &LogName| other.is_of_same_node(log) && other.run.incarnation < log.run.incarnation;
        let own = self.before.as_ref().filter(|head| is_earlier(&head.head().log));
        let shown = self.context.read(|replica| replica.ledger_heads());
        let shown = shown.iter().filter(|head| head.author.node == log.run.node).filter_map(verified);
        let shown = shown.filter(|head| is_earlier(&head.head().log));
        let shown = shown.max_by_key(|head| (head.head().log.run.incarnation, head.head().tree.size()));
        let start =
            RunStart { log: log.clone(), own: own.map(NamedHead::from), shown: shown.as_ref().map(NamedHead::from) };
        // A node without a disk remembers nothing, and has other keys each time.
        if start.shows_rewind() && self.context.ledger.store.is_on_disk() {
            error!(
                own = ?start.own, shown = ?start.shown,
                "this node's disk knows less of its own ledger than other nodes do: it was restored from a backup, or lost \
                 what it had written. Others keep what they have"
            );
            self.context.metrics.ledger.record_rewind();
            // Votes may be missing like records.
            if let Err(error) = self.context.ledger.store.replace_voter_key() {
                self.context.fail(format!("a node that was set back must not vote as before: {error}"));
                return None;
            }
        }
        let actor = Actor::Node(log.run.node.clone());
        Some(NewRecord {
            kind: Kind::RunStart,
            actor,
            body: start.encode(),
            evidence: Vec::new(),
            transition: None,
            placed: None,
        })
    }

    /// Makes leaves of records, and stores them with the head that covers them; tries until the disk takes them. Returns
    /// whether it did.
    async fn append(&mut self, log: &LogName, records: Vec<NewRecord>) -> bool {
        let count = records.len();
        let Some(batch) = self.batch(records) else {
            self.record_dropped(count);
            return false;
        };
        let held = self.own.as_ref().map(|own| own.held.clone());
        let first = held.as_ref().map_or(0, |held| held.archive().end());
        let Some(held) = self.signed(log, held, &batch) else { return false };
        let row = LogRow { held: held.clone(), voucher: self.voucher(), conflicts: Vec::new() };
        let Batch { leaves, clocks, bodies, transitions, placed } = batch;
        let blob = |(at, hash, bytes)| (hash, transition_blob(bytes, log.to_string(), first + at as u64));
        let transitions: Vec<_> = transitions.into_iter().map(blob).collect();
        let (stored, mut failed) = (Arc::new((log.clone(), row, leaves, bodies, transitions)), None);
        let begun = Instant::now();
        loop {
            let stored = stored.clone();
            let written = blocking(&self.context.ledger.store, move |store| {
                let (log, row, leaves, bodies, transitions) = &*stored;
                store.write(log, row, &NewRecords { first, leaves, bodies, transitions })
            });
            let Err(error) = written.await else { break };
            self.context.metrics.ledger.record_failure();
            if let Some(count) = self.failures.record() {
                error!(count, "records can't be written to the ledger, and wait: {error}");
            }
            failed = Some(error);
            tokio::time::sleep(RETRY).await;
        }
        if failed.is_some() {
            warn!("the ledger is written again");
        }
        let leaves = &stored.2;
        self.context.metrics.ledger.record_write(leaves.len() as u64, begun.elapsed());
        for (at, placed) in placed {
            let place = RecordPlace { clock: clocks[at], log: log.clone(), index: first + at as u64 };
            let _ = placed.send(place);
        }
        let shown = (first..).zip(leaves).zip(clocks).map(|((number, leaf), clock)| LedgerRecord {
            clock,
            author: log.run.clone(),
            number,
            record: Bytes::copy_from_slice(leaf),
        });
        let before = self.own.take();
        let (mut unshown, shown_voucher) = before.map(|own| (own.unshown, own.shown_voucher)).unwrap_or_default();
        unshown.extend(shown);
        self.own = Some(OwnLog { log: log.clone(), held, unshown, shown_voucher });
        true
    }

    fn record_dropped(&self, count: usize) {
        (0..count).for_each(|_| self.context.metrics.ledger.record_dropped());
        if count > 0 {
            error!(count, "records are missing from the ledger: the node accepts no more writes");
        }
    }

    /// Records with clocks of the run; `None` once it accepts no more writes.
    fn batch(&self, records: Vec<NewRecord>) -> Option<Batch> {
        let mut batch = Batch::default();
        for NewRecord { kind, actor, body, evidence, transition, placed } in records {
            let (_, clock) = self.context.write(|replica, now| replica.ledger_clock(now)).ok()?;
            let kept = transition.map(|hash| (batch.leaves.len(), hash, body.clone()));
            let long = (body.len() > psi_ledger::record::INLINE_BODY_BYTES_MAX).then(|| body.clone());
            let record = match Body::of(body) {
                Ok(body) => Record { clock, kind, actor, body, evidence }.encode(),
                Err(refusal) => Err(refusal),
            };
            match record {
                Ok(leaf) => {
                    batch.transitions.extend(kept);
                    batch.placed.extend(placed.map(|placed| (batch.leaves.len(), placed)));
                    batch.leaves.push(leaf);
                    batch.clocks.push(clock);
                    batch.bodies.extend(long);
                }
                // Callers check what they are given: this is a bug, and the rest goes on.
                Err(refusal) => error!(%kind, BODY_BYTES_MAX, "a record can't be written: {refusal}"),
            }
        }
        Some(batch)
    }

    /// The ledger with these records, signed.
    fn signed(&self, log: &LogName, held: Option<HeldLog>, batch: &Batch) -> Option<HeldLog> {
        let mut range = held.map_or_else(CompactRange::default, |held| held.archive().clone());
        batch.leaves.iter().try_for_each(|leaf| range.append(TreeHash::of_leaf(leaf))).ok()?;
        let (tree, clock) = (range.head()?, *batch.clocks.last()?);
        let head = Head { log: log.clone(), tree, clock };
        let signed = self.context.identity.sign(|key| SignedHead::sign(head, key))?;
        HeldLog::restore(signed, range).ok()
    }

    fn voucher(&self) -> Vec<u8> {
        self.context.identity.own_voucher_bytes().unwrap_or_default()
    }

    /// Shows what is stored. `None`: nothing is to be shown, or can be now; `Some(false)`: the run is another.
    fn show(&mut self) -> Option<bool> {
        let voucher = self.voucher();
        let voter_key = self.context.ledger.store.voter_key().ok()?;
        let is_due = self.own.as_ref().is_some_and(|own| self.is_to_show(own));
        let own = self.own.as_mut().filter(|_| is_due)?;
        let head = shown_head(&own.held, voucher.clone(), &voter_key);
        let shown = self.context.write(|replica, now| replica.show_ledger(now, &head, &own.unshown)).ok()?;
        if shown {
            own.unshown.clear();
            own.shown_voucher = Some(voucher);
            self.context.ledger.begun.store(true, Ordering::Release);
        }
        Some(shown)
    }
}

/// A head as replicated state carries it.
fn shown_head(held: &HeldLog, voucher: Vec<u8>, voter_key: &NodePublicKey) -> LedgerHead {
    let head = held.head();
    LedgerHead {
        clock: head.head().clock,
        author: head.head().log.run.clone(),
        note: head.note(),
        range: TreeHash::list_to_bytes(held.archive().hashes()).into(),
        public_key: Bytes::copy_from_slice(head.public_key().as_bytes()),
        voucher: voucher.into(),
        voter_key: Bytes::copy_from_slice(voter_key.as_bytes()),
    }
}

/// A head that replicated state shows, if it is signed by the key that it names and is its author's.
pub(super) fn verified(shown: &LedgerHead) -> Option<SignedHead> {
    let key = NodePublicKey::from_bytes(shown.public_key[..].try_into().ok()?);
    let head = UnverifiedHead::parse(&shown.note).ok()?.verify(&key).ok()?;
    (head.head().log.run == shown.author).then_some(head)
}
