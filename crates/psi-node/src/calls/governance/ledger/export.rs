//! All that a node holds of the ledgers, as one file.

use std::collections::{BTreeMap, BTreeSet};

use psi_api::Cause;
use psi_ledger::{
    CompactRange, LogName, Record, TreeHash,
    export::{ExportEncoder, RunPreface},
    record::Body,
};
use psi_replica::ClusterName;
use tokio::sync::mpsc;
use tonic::Status;

use super::Ops;
use crate::governance::ledger::store::{LedgerStore, LogRow, StoreError};

/// A piece of the file is sent once it is as long.
const CHUNK_BYTES: usize = 256 << 10;
/// Records that are read at once.
const READ_MAX: usize = 256;

/// A piece of the file, or why there are no more.
pub(crate) type Chunk = Result<Vec<u8>, Status>;

impl Ops {
    /// The file in pieces. Ledgers of which this node lacks records are left out; `ListHeads` says which these are.
    ///
    /// # Errors
    /// The node has as many streams open as it may.
    pub(crate) fn export_ledger(&self) -> Result<mpsc::Receiver<Chunk>, Cause> {
        let slot = self.stream_slot()?;
        let (chunks, received) = mpsc::channel(2);
        let (store, cluster) = (self.context.ledger.store.clone(), self.context.settings.cluster.clone());
        tokio::task::spawn_blocking(move || {
            let _slot = slot;
            let mut writer = ExportWriter { chunks, out: Vec::new() };
            if let Err(Some(error)) = writer.write(&store, &cluster).map_err(ExportEnd::into_error) {
                let _ = writer.chunks.blocking_send(Err(Status::unavailable(error.to_string())));
            }
        });
        Ok(received)
    }
}

/// Why an export ended early.
enum ExportEnd {
    /// Nobody waits for it.
    Unwanted,
    Store(StoreError),
}

impl ExportEnd {
    fn into_error(self) -> Option<StoreError> {
        match self {
            Self::Unwanted => None,
            Self::Store(error) => Some(error),
        }
    }
}

impl From<StoreError> for ExportEnd {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

struct ExportWriter {
    chunks: mpsc::Sender<Chunk>,
    out: Vec<u8>,
}

impl ExportWriter {
    fn write(&mut self, store: &LedgerStore, cluster: &ClusterName) -> Result<(), ExportEnd> {
        let mut logs = store.logs()?;
        logs.retain(|(_, row)| row.held.missing() == 0);
        logs.sort_by(|one, other| one.0.cmp(&other.0));
        let mut encoder = ExportEncoder::begin(cluster, &mut self.out);
        // The latest word on each key covers the runs before it, too: their authority may be gone.
        let vouched = logs.iter().filter(|(_, row)| !row.voucher.is_empty());
        let latest: BTreeMap<_, _> =
            vouched.map(|(log, row)| ((&log.run.node, row.held.head().public_key()), &row.voucher)).collect();
        let vouchers: BTreeSet<&Vec<u8>> = latest.into_values().collect();
        vouchers.into_iter().for_each(|voucher| encoder.voucher(voucher, &mut self.out));
        for (log, row) in &logs {
            self.write_run(store, &mut encoder, log, row)?;
        }
        encoder.finish(&mut self.out);
        self.send(1)
    }

    fn write_run(
        &mut self,
        store: &LedgerStore,
        encoder: &mut ExportEncoder,
        log: &LogName,
        row: &LogRow,
    ) -> Result<(), ExportEnd> {
        let head = row.held.head();
        let size = head.head().tree.size();
        let mut leaf_hashes = Vec::new();
        for_each_leaf(store, log, size, |leaf| {
            leaf_hashes.push(TreeHash::of_leaf(leaf));
            Ok(())
        })?;
        let before = CompactRange::default();
        let preface = RunPreface { log, public_key: head.public_key(), before: &before, leaf_hashes: &leaf_hashes };
        encoder.run(&preface, &mut self.out);
        for_each_leaf(store, log, size, |leaf| {
            let body = match Record::decode(leaf) {
                Ok(record) if matches!(record.body, Body::Long(_)) => body_of(store, &record)?,
                _ => None,
            };
            encoder.record(leaf, body.as_deref(), &mut self.out);
            self.send(CHUNK_BYTES)
        })?;
        encoder.head(head, &mut self.out);
        self.send(CHUNK_BYTES)
    }

    /// Sends what is there, if that is enough.
    fn send(&mut self, least: usize) -> Result<(), ExportEnd> {
        if self.out.len() < least {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.out);
        self.chunks.blocking_send(Ok(chunk)).map_err(|_| ExportEnd::Unwanted)
    }
}

/// Reads the records of a log in order, some at a time.
fn for_each_leaf(
    store: &LedgerStore,
    log: &LogName,
    size: u64,
    mut visit: impl FnMut(&[u8]) -> Result<(), ExportEnd>,
) -> Result<(), ExportEnd> {
    let mut first = 0;
    while first < size {
        let count = usize::try_from(size - first).unwrap_or(READ_MAX).min(READ_MAX);
        let leaves = store.leaves(log, first, (count, usize::MAX))?;
        if leaves.is_empty() {
            break;
        }
        leaves.iter().try_for_each(|leaf| visit(leaf))?;
        first += leaves.len() as u64;
    }
    Ok(())
}

/// The long bodies that records name, as far as they are stored.
fn body_of(store: &LedgerStore, record: &Record) -> Result<Option<Vec<u8>>, StoreError> {
    match &record.body {
        Body::Inline(bytes) => Ok(Some(bytes.clone())),
        Body::Long(content) => store.body(&content.sha256),
    }
}
