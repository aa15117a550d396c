//! When snapshots are written and read.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use psi_replica::{ClusterName, Digest, Origin, Snapshot};
use psi_state::Replica;
use tracing::{debug, error, info};

use super::{
    directory::{DataError, Directory},
    parts::{BasePosition, Parts},
    store::{ForeignDirectory, RefusedSnapshot, SaveError, Store},
};
use crate::{
    governance::ledger::store::LedgerStore,
    node::{context::NodeContext, identity::node_key::KeptNodeKey},
    settings::Settings,
};

/// How soon a snapshot is written after a vote on the end of runs, or after the base moved: an election is some votes
/// within a few round trips, and one snapshot has them all.
const SOON: Duration = Duration::from_millis(200);

/// Writes the snapshots of one node.
pub(crate) struct SnapshotTask {
    store: Store<Directory>,
    /// What the latest snapshot holds; also makes sure that one is written at a time.
    saved: Mutex<Option<SavedState>>,
}

/// The state that a snapshot holds, to find out whether anything changed since.
#[derive(Clone, Debug, PartialEq)]
struct SavedState {
    digest: Digest,
    local_origin: Option<Origin>,
    /// To fold ended runs changes no digest.
    base: BasePosition,
}

impl SavedState {
    fn of(replica: &Replica) -> Self {
        let (digest, local_origin) = (replica.digest(), replica.origin().cloned());
        Self { digest, local_origin, base: BasePosition::of(replica) }
    }
}

/// What a start found in the data directory.
#[derive(Default)]
pub(crate) struct StartupData {
    pub(crate) task: Option<Arc<SnapshotTask>>,
    pub(crate) snapshot: Option<Snapshot>,
    /// Reasons why files were set aside.
    pub(crate) refused: Vec<&'static str>,
    /// What this node signs by.
    pub(crate) node_key: Option<KeptNodeKey>,
    /// Ledgers on its disk, and why others were set aside.
    pub(crate) ledger: Option<(LedgerStore, Option<&'static str>)>,
}

/// Locks the data directory and reads it; without one, nothing is found.
///
/// # Errors
/// [`DataError`] if the directory can't be used, or is another cluster's. A bad snapshot is no error: it is set aside,
/// logged and counted.
pub(crate) async fn open(settings: &Settings) -> Result<StartupData, DataError> {
    let Some(path) = settings.data_directory.clone() else { return Ok(StartupData::default()) };
    let cluster = settings.cluster.clone();
    let read = tokio::task::spawn_blocking({
        let path = path.clone();
        move || open_blocking(&path, &cluster)
    });
    read.await.unwrap_or_else(|panic| Err(DataError::Unusable { path, source: io::Error::other(panic) }))
}

fn open_blocking(path: &Path, cluster: &ClusterName) -> Result<StartupData, DataError> {
    let store = Store::new(Directory::lock(path.to_owned())?);
    let node_key = KeptNodeKey::of_directory(path)?;
    let ledger = LedgerStore::open(path).unwrap_or_else(|error| {
        error!(
            "{error}; until the next start, this node's ledger and votes are in memory: free space in {}, and start it again",
            path.display()
        );
        (LedgerStore::in_memory(), Some("UNUSABLE"))
    });
    let begun = Instant::now();
    let loaded = store.load(cluster, wall_ms()).map_err(|ForeignDirectory { theirs }| DataError::OtherCluster {
        path: path.to_owned(),
        theirs,
        ours: cluster.clone(),
    })?;
    for RefusedSnapshot { name, error, aside } in &loaded.refused {
        match aside {
            Ok(aside) => error!(
                reason = error.reason(),
                "refused snapshot {}: {error}; it is set aside as {aside}, and what it held comes from other nodes",
                path.join(name).display(),
            ),
            Err(source) => error!(
                reason = error.reason(),
                "refused snapshot {}: {error}; it can't be set aside ({source}), and what it held comes from other nodes",
                path.join(name).display(),
            ),
        }
    }
    if let Some((name, snapshot)) = &loaded.snapshot {
        info!(
            node = snapshot.node(),
            origins = snapshot.origins(),
            entries = snapshot.entries(),
            took_ms = millis(begun),
            "restored snapshot {}",
            path.join(name).display(),
        );
    }
    let refused = loaded.refused.iter().map(|refused| refused.error.reason()).collect();
    let task = SnapshotTask { store, saved: Mutex::default() };
    let snapshot = loaded.snapshot.map(|(_, snapshot)| snapshot);
    Ok(StartupData { task: Some(Arc::new(task)), snapshot, refused, node_key: Some(node_key), ledger: Some(ledger) })
}

impl SnapshotTask {
    /// Writes a snapshot at every interval and soon after each vote on the end of runs, until the node stops.
    pub(crate) async fn run(self: Arc<Self>, context: Arc<NodeContext>) {
        loop {
            let due = async {
                tokio::select! {
                    () = tokio::time::sleep(context.settings.snapshot_interval) => {}
                    () = context.snapshot_due.notified() => tokio::time::sleep(SOON).await,
                }
            };
            tokio::select! {
                () = due => {}
                () = context.stop.cancelled() => return,
            }
            self.clone().save(context.clone()).await;
        }
    }

    /// Writes a snapshot if anything changed since the latest; failures are logged and counted.
    pub(crate) async fn save(self: Arc<Self>, context: Arc<NodeContext>) {
        let write = tokio::task::spawn_blocking(move || self.save_blocking(&context));
        if let Err(panic) = write.await {
            error!("writing a snapshot failed: {panic}; this is a bug");
        }
    }

    fn save_blocking(&self, context: &NodeContext) {
        if context.claim.waits() {
            // Another run has the name; this one has nothing that it did not find here.
            return;
        }
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let current = context.write(|replica, _| {
            replica.flush();
            SavedState::of(replica)
        });
        if saved.as_ref() == Some(&current) {
            return;
        }
        match self.save_whole(context) {
            Ok(None) => context.snapshot_due.notify_one(),
            Ok(Some(bytes)) => {
                *saved = Some(current);
                context.metrics.snapshots.record_write(bytes, begun.elapsed(), wall_ms());
                debug!(bytes, took_ms = millis(begun), "wrote a snapshot");
            }
            Err(failure) => {
                context.metrics.snapshots.record_failure(failure.operation.as_str());
                let next = match context.stop.is_cancelled() {
                    true => "the node stops with the one before".to_owned(),
                    false => format!("trying again in {} s", context.settings.snapshot_interval.as_secs_f64()),
                };
                error!(operation = failure.operation.as_str(), "can't write a snapshot: {failure}; {next}");
            }
        }
    }

    /// Writes a snapshot, again where runs ended meanwhile; `None` if they did each time.
    fn save_whole(&self, context: &NodeContext) -> Result<Option<u64>, SaveError> {
        /// Checkpoints are seconds apart.
        const ATTEMPTS: usize = 3;
        let mut attempts = (0..ATTEMPTS).map(|_| self.store.save(Parts::of(context)));
        attempts.find(|saved| !matches!(saved, Ok(None))).unwrap_or(Ok(None))
    }
}

/// Milliseconds since the Unix epoch.
fn wall_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
