//! Reading the ledger: records, heads, proofs, and all of it as a file.

mod export;
mod page;
mod shown;

use psi_api::{Cause, v1};
use psi_ledger::{
    LogName, RecordProof, TreeHash,
    tree::{ProverError, prove_consistency, prove_inclusion},
};
use tonic::Code;

pub(crate) use self::page::RecordQuery;
use self::shown::{head_message, record_message};
use crate::{
    calls::ops::Ops,
    governance::ledger::store::{HashError, LedgerStore, LogRow, StoreError, blocking},
};

/// What nodes ask each other for at once.
const LEAVES_MAX: usize = 1_024;
const LEAVES_BYTES_MAX: usize = 1 << 20;

impl Ops {
    /// One record.
    pub(crate) async fn ledger_record(&self, log: &str, index: u64) -> Result<v1::LedgerRecord, Cause> {
        let log = self.record_refusal(parse_log(log))?;
        let read = self.on_disk(move |store| {
            let leaf = store.leaf(&log, index)?.ok_or_else(|| unknown_record(&log, index))?;
            Ok(record_message(&log, index, &leaf).ok_or_else(|| unreadable("the record is damaged"))?)
        });
        read.await
    }

    /// The heads that this node believes, by node and run.
    pub(crate) async fn ledger_heads(&self) -> Result<v1::ListHeadsResponse, Cause> {
        let mut logs = self.on_disk(|store| Ok(store.logs()?)).await?;
        logs.sort_by(|one, other| one.0.cmp(&other.0));
        let heads = logs.iter().map(|(log, row)| head_message(log, row)).collect();
        Ok(v1::ListHeadsResponse { heads, node: self.context.settings.node.to_string() })
    }

    /// A proof that a record is in its ledger, as text.
    pub(crate) async fn prove_record(&self, log: &str, index: u64) -> Result<String, Cause> {
        let log = self.record_refusal(parse_log(log))?;
        let prove = move |store: &LedgerStore| {
            let row = known(store, &log)?;
            let leaf = store.leaf(&log, index)?.ok_or_else(|| unknown_record(&log, index))?;
            let head = row.held.head();
            let hashes = prove_inclusion(&store.hashes(&log), head.head().tree.size(), index);
            let hashes = hashes.map_err(|error| not_proved(&log, error))?;
            let proof = RecordProof::new(index, leaf, hashes, head.clone());
            Ok(proof.map_err(|refusal| unreadable(&refusal.to_string()))?.text())
        };
        self.on_disk(prove).await
    }

    /// A proof that a ledger of `newer` records begins with the same ledger of `older`.
    pub(crate) async fn prove_growth(&self, log: &str, older: u64, newer: u64) -> Result<Vec<u8>, Cause> {
        let log = self.record_refusal(parse_log(log))?;
        let prove = move |store: &LedgerStore| {
            known(store, &log)?;
            let hashes = prove_consistency(&store.hashes(&log), older, newer);
            Ok(TreeHash::list_to_bytes(&hashes.map_err(|error| not_proved(&log, error))?))
        };
        self.on_disk(prove).await
    }

    /// Records in order, as bytes, and that the head of `size` records goes on from them.
    pub(crate) async fn read_leaves(&self, log: &str, first: u64, size: u64) -> Result<v1::ReadLeavesResponse, Cause> {
        let log = self.record_refusal(parse_log(log))?;
        let read = move |store: &LedgerStore| {
            known(store, &log)?;
            let count = usize::try_from(size.saturating_sub(first)).unwrap_or(LEAVES_MAX).min(LEAVES_MAX);
            let leaves = store.leaves(&log, first, (count, LEAVES_BYTES_MAX))?;
            let end = first + leaves.len() as u64;
            if leaves.is_empty() {
                return Err(unknown_record(&log, first).into());
            }
            let hashes = if end < size { prove_consistency(&store.hashes(&log), end, size) } else { Ok(Vec::new()) };
            let hashes = TreeHash::list_to_bytes(&hashes.map_err(|error| not_proved(&log, error))?);
            Ok(v1::ReadLeavesResponse { leaves, hashes })
        };
        self.on_disk(read).await
    }

    /// Reads the store on a thread that may wait for the disk.
    async fn on_disk<T: Send + 'static>(
        &self,
        read: impl FnOnce(&LedgerStore) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Cause> {
        let answer = blocking(&self.context.ledger.store, move |store| match read(store) {
            Ok(answer) => Ok(Ok(answer)),
            Err(ReadError::Refused(cause)) => Ok(Err(cause)),
            Err(ReadError::Store(error)) => Err(error),
        });
        let answer = answer.await.unwrap_or_else(|error| Err(unreadable(&error.to_string())));
        self.record_refusal(answer)
    }
}

/// Why nothing was read.
enum ReadError {
    Refused(Cause),
    Store(StoreError),
}

impl From<Cause> for ReadError {
    fn from(cause: Cause) -> Self {
        Self::Refused(cause)
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn parse_log(log: &str) -> Result<LogName, Cause> {
    LogName::parse(log).map_err(|error| Cause::new(Code::InvalidArgument, "BAD_RECORD_NAME", error))
}

fn known(store: &LedgerStore, log: &LogName) -> Result<LogRow, ReadError> {
    let row = store.log(log)?;
    Ok(row.ok_or_else(|| {
        let message =
            format!("this node holds no ledger {log}; `psi-field ledger list --heads` shows those that it does");
        Cause::new(Code::NotFound, "UNKNOWN_LOG", message).with("log", log)
    })?)
}

fn unknown_record(log: &LogName, index: u64) -> Cause {
    let message =
        format!("this node does not hold record {index} of {log}; it has no such record, or ask another node");
    Cause::new(Code::NotFound, "UNKNOWN_RECORD", message).with("log", log).with("index", index)
}

fn not_proved(log: &LogName, error: ProverError<HashError>) -> Cause {
    match error {
        ProverError::Source(HashError::Missing(index)) => unknown_record(log, index),
        ProverError::Source(HashError::Store(error)) => unreadable(&error.to_string()),
        error => Cause::new(Code::InvalidArgument, "BAD_RECORD_NAME", error).with("log", log),
    }
}

fn unreadable(why: &str) -> Cause {
    let message = format!("this node can't read its ledger: {why}; ask another node, and look at this one's log");
    Cause::new(Code::Unavailable, "LEDGER_UNREADABLE", message)
}
