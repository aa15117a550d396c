//! The ledger of this node's run, and what it holds of the others'.
//!
//! Each action puts a record into a queue. The [writer] makes leaves of them, stores and signs, and shows the new head
//! in replicated state. The [auditor] looks at the heads that others show, believes only those that go on from what it
//! holds, and fetches the records that they cover.

pub(crate) mod auditor;
pub(crate) mod conflict;
mod fetch;
mod recording;
pub(crate) mod store;
#[cfg(test)]
mod tests;
pub(crate) mod writer;

use std::sync::{Mutex, PoisonError, atomic::AtomicBool};

use psi_ledger::{
    body::Action,
    record::{Actor, Evidence, Kind},
};
use tokio::sync::{mpsc, oneshot};

use self::store::{LedgerStore, RecordPlace};

/// Records that may wait to be written. A disk that stands still for long makes further ones go, and they are counted.
const WAITING_MAX: usize = 8_192;

/// The ledger of a node.
pub(crate) struct Ledger {
    pub(crate) store: LedgerStore,
    /// The ledger of a run of this process has begun, and so is known whether this node was set back.
    pub(crate) begun: AtomicBool,
    queue: mpsc::Sender<WriterRequest>,
    /// Taken by the writer.
    requests: Mutex<Option<mpsc::Receiver<WriterRequest>>>,
}

/// What the writer is to do.
enum WriterRequest {
    Append(NewRecord),
    /// To answer once all before is written.
    Flush(oneshot::Sender<()>),
}

/// What is to be recorded.
pub(crate) struct NewRecord {
    pub(crate) kind: Kind,
    pub(crate) actor: Actor,
    pub(crate) body: Vec<u8>,
    pub(crate) evidence: Vec<Evidence>,
    /// Of a transition: by what it is kept beside the ledger, at once with the record.
    pub(crate) transition: Option<[u8; 32]>,
    /// Learns where it stands, once it is on the disk.
    pub(crate) placed: Option<oneshot::Sender<RecordPlace>>,
}

impl Ledger {
    pub(crate) fn new(store: LedgerStore) -> Self {
        let (queue, requests) = mpsc::channel(WAITING_MAX);
        Self { store, begun: AtomicBool::new(false), queue, requests: Mutex::new(Some(requests)) }
    }

    /// Records what was done. Returns whether there was room for it.
    pub(crate) fn record(&self, record: NewRecord) -> bool {
        self.queue.try_send(WriterRequest::Append(record)).is_ok()
    }

    /// Records an action.
    pub(crate) fn record_action(&self, kind: Kind, actor: Actor, action: &Action) -> bool {
        self.record(NewRecord {
            kind,
            actor,
            body: action.encode(),
            evidence: Vec::new(),
            transition: None,
            placed: None,
        })
    }

    /// Resolves once all that was recorded so far is on the disk and shown, or can't be.
    pub(crate) async fn flushed(&self) {
        let (done, flushed) = oneshot::channel();
        if self.queue.send(WriterRequest::Flush(done)).await.is_ok() {
            let _ = flushed.await;
        }
    }

    fn take_requests(&self) -> Option<mpsc::Receiver<WriterRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
