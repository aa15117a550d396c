//! The ledgers on this node's disk: records, hashes of whole subtrees, long bodies, and the heads that are believed.
//!
//! One transaction holds the records and the head that covers them, so a head never stands on the disk without what it
//! covers. The store is redb: one file, no other process, copy on write with checksums, so that a crash at any write
//! leaves the state before it or the one after it.

#[cfg(test)]
mod crashes;
mod hashes;
pub(crate) mod processes;
mod row;
mod votes;

use std::{
    panic::catch_unwind,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use psi_ledger::{CompactRange, ContentHash, LogName, Record, TreeHash};
use psi_replica::Clock;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, backends::InMemoryBackend};
use tracing::{error, info};

pub(crate) use self::{hashes::HashError, row::LogRow};

/// By the name of the log: a [`StoredLog`].
const LOGS: TableDefinition<&str, &[u8]> = TableDefinition::new("logs");
/// By log and index: the bytes of a record.
const LEAVES: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("leaves");
/// By log, level above the leaves, and index: the hash of a whole subtree.
const SUBTREES: TableDefinition<(&str, u32, u64), [u8; 32]> = TableDefinition::new("subtrees");
/// By SHA-256: a long body.
const BODIES: TableDefinition<[u8; 32], &[u8]> = TableDefinition::new("bodies");
/// By clock, log and index: nothing. The order in which records are shown.
const ORDER: TableDefinition<(u64, u32, &str, u64), ()> = TableDefinition::new("order");

/// By hash: a spec in its canonical form, or a transition with its place.
const BLOBS: TableDefinition<[u8; 32], &[u8]> = TableDefinition::new("process_blobs");
/// By the id of a register: what this node voted in it, a psi.quorum.v1.Record.
const VOTES: TableDefinition<[u8; 32], &[u8]> = TableDefinition::new("votes");
/// One row: the key that this store votes by. It is made with the store, so that it is lost with the votes.
const VOTER: TableDefinition<(), [u8; 32]> = TableDefinition::new("voter");

const FILE: &str = "ledger.redb";
/// Pages that are kept in memory; a list of a thousand records touches fewer.
const CACHE_BYTES: usize = 4 << 20;

/// The ledgers on one disk, or in memory where the node has none.
#[derive(Clone)]
pub(crate) struct LedgerStore {
    /// `None` while it could not be opened again.
    database: Arc<RwLock<Option<Arc<Database>>>>,
    /// `None`: it is in memory.
    path: Option<PathBuf>,
}

/// What can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the store of ledgers: {0}")]
pub(crate) struct StoreError(#[source] Box<redb::Error>);

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self(Box::new(error.into()))
    }
}

/// Most contradicting heads that are kept of a log. One is proof enough.
pub(crate) const CONFLICTS_MAX: usize = 8;

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordPlace {
    pub(crate) clock: Clock,
    pub(crate) log: LogName,
    pub(crate) index: u64,
}

/// Records to store, which follow those that are stored.
pub(crate) struct NewRecords<'a> {
    pub(crate) first: u64,
    pub(crate) leaves: &'a [Vec<u8>],
    pub(crate) bodies: &'a [Vec<u8>],
    /// By hash, as they are kept beside the ledger.
    pub(crate) transitions: &'a [([u8; 32], Vec<u8>)],
}

impl LedgerStore {
    /// A store that ends with the process.
    pub(crate) fn in_memory() -> Self {
        let database = Database::builder().create_with_backend(InMemoryBackend::new());
        let database = Arc::new(RwLock::new(Some(Arc::new(database.expect("memory is there")))));
        let store = Self { database, path: None };
        store.prepare().expect("memory takes it");
        store
    }

    /// The store in a data directory that this process has locked. A damaged one is set aside: what it held comes back
    /// from other nodes, as far as they have it. Returns the reason, if there is one.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Option<&'static str>), StoreError> {
        let path = directory.join(FILE);
        // redb may panic where a page says what no page can.
        let opened = catch_unwind(|| {
            let store = Self::open_file(&path)?;
            let damage = store.check()?;
            Ok((store, damage))
        });
        let (reason, why) = match opened {
            Ok(Ok((store, None))) => return Ok((store, None)),
            Ok(Ok((_, Some(damage)))) => ("DAMAGED", damage),
            Ok(Err(StoreError(error))) if is_damage(&error) => ("UNREADABLE", error.to_string()),
            Ok(Err(error)) => return Err(error),
            Err(_) => ("UNREADABLE", "a page of it is none".to_owned()),
        };
        Self::set_aside(&path, &why)?;
        Ok((Self::open_file(&path)?, Some(reason)))
    }

    fn open_file(path: &Path) -> Result<Self, StoreError> {
        let database = Arc::new(RwLock::new(Some(Arc::new(open_database(path)?))));
        let store = Self { database, path: Some(path.to_owned()) };
        store.prepare()?;
        store.check_place(path)?;
        Ok(store)
    }

    /// Whether it outlives the process.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.path.is_some()
    }

    fn database(&self) -> Result<Arc<Database>, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner).clone();
        database.ok_or_else(|| redb::Error::DatabaseClosed.into())
    }

    /// After a failed write, redb takes no other: it can't know what the disk has. So the file is opened again, which looks
    /// at what is there.
    fn reopen(&self) -> Result<(), StoreError> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The file is locked until nobody has the database any more: a reader that is slow makes this fail.
        *database = None;
        *database = Some(Arc::new(open_database(path)?));
        Ok(())
    }

    /// Writes in one transaction, durably.
    fn commit(&self, write: impl Fn(&redb::WriteTransaction) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let attempt = || {
            let database = self.database()?;
            let transaction = database.begin_write()?;
            write(&transaction)?;
            Ok(transaction.commit()?)
        };
        match attempt() {
            Err(StoreError(error)) if matches!(*error, redb::Error::PreviousIo | redb::Error::DatabaseClosed) => {
                self.reopen()?;
                attempt()
            }
            outcome => outcome,
        }
    }

    /// Makes every table, so that later reads find it, and the key of the store.
    fn prepare(&self) -> Result<(), StoreError> {
        self.commit(|write| {
            write.open_table(LOGS)?;
            write.open_table(LEAVES)?;
            write.open_table(SUBTREES)?;
            write.open_table(BODIES)?;
            write.open_table(ORDER)?;
            write.open_table(VOTES)?;
            let mut voter = write.open_table(VOTER)?;
            let is_new = voter.get(())?.is_none();
            if is_new {
                voter.insert((), rand::random::<[u8; 32]>())?;
            }
            Ok(())
        })
    }

    fn set_aside(path: &Path, why: &str) -> Result<(), StoreError> {
        let aside = free_name(path);
        std::fs::rename(path, &aside).map_err(redb::StorageError::from)?;
        error!(
            "the store of ledgers {} is damaged: {why}; it is set aside as {}, and what it held comes from other nodes",
            path.display(),
            aside.display()
        );
        Ok(())
    }

    /// Reads every record and compares it with the head that covers it. Returns what is wrong.
    fn check(&self) -> Result<Option<String>, StoreError> {
        let begun = std::time::Instant::now();
        let (mut records, mut logs) = (0, 0);
        for (log, row) in self.rows()? {
            let Some(row) = row else { return Ok(Some(format!("what it says of {log} can't be read"))) };
            let mut range = CompactRange::default();
            for index in 0..row.held.archive().end() {
                let Some(leaf) = self.leaf(&log, index)? else {
                    return Ok(Some(format!("record {index} of {log} is missing")));
                };
                let appended = range.append(TreeHash::of_leaf(&leaf));
                debug_assert!(appended.is_ok(), "a log has fewer records than there may be");
            }
            if range != *row.held.archive() {
                return Ok(Some(format!("the records of {log} are not those that its head covers")));
            }
            records += range.end();
            logs += 1;
        }
        if records > 0 {
            info!(logs, records, took_ms = begun.elapsed().as_millis(), "checked the ledgers on disk");
        }
        Ok(None)
    }

    fn rows(&self) -> Result<Vec<(LogName, Option<LogRow>)>, StoreError> {
        let table = self.database()?.begin_read()?;
        let Some(table) = readable(table.open_table(LOGS))? else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        for item in table.iter()? {
            let (name, bytes) = item?;
            if let Ok(log) = LogName::parse(name.value()) {
                let row = LogRow::decode(&log, bytes.value());
                rows.push((log, row));
            }
        }
        Ok(rows)
    }

    /// Every log that is stored.
    pub(crate) fn logs(&self) -> Result<Vec<(LogName, LogRow)>, StoreError> {
        Ok(self.rows()?.into_iter().filter_map(|(log, row)| Some((log, row?))).collect())
    }

    /// What is stored of a log.
    pub(crate) fn log(&self, log: &LogName) -> Result<Option<LogRow>, StoreError> {
        let read = self.database()?.begin_read()?;
        let Some(table) = readable(read.open_table(LOGS))? else { return Ok(None) };
        Ok(table.get(log.to_string().as_str())?.and_then(|bytes| LogRow::decode(log, bytes.value())))
    }

    /// Stores records and what is known of their log, at once and durably.
    pub(crate) fn write(&self, log: &LogName, row: &LogRow, new: &NewRecords<'_>) -> Result<(), StoreError> {
        let name = log.to_string();
        self.commit(|write| {
            write_leaves(write, &name, new)?;
            let mut bodies = write.open_table(BODIES)?;
            for body in new.bodies {
                bodies.insert(*ContentHash::of(body).as_bytes(), body.as_slice())?;
            }
            let mut transitions = write.open_table(BLOBS)?;
            for (hash, transition) in new.transitions {
                transitions.insert(*hash, transition.as_slice())?;
            }
            write.open_table(LOGS)?.insert(name.as_str(), row.encode().as_slice())?;
            Ok(())
        })
    }

    /// The bytes of a record.
    pub(crate) fn leaf(&self, log: &LogName, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.database()?.begin_read()?;
        let Some(table) = readable(read.open_table(LEAVES))? else { return Ok(None) };
        Ok(table.get((log.to_string().as_str(), index))?.map(|leaf| leaf.value().to_vec()))
    }

    /// Records of a log in order, from `first`, up to a number of them and of bytes; at least one if there is one.
    pub(crate) fn leaves(
        &self,
        log: &LogName,
        first: u64,
        (count_max, bytes_max): (usize, usize),
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let (read, name) = (self.database()?.begin_read()?, log.to_string());
        let Some(table) = readable(read.open_table(LEAVES))? else { return Ok(Vec::new()) };
        let (mut leaves, mut bytes) = (Vec::new(), 0);
        for item in table.range((name.as_str(), first)..=(name.as_str(), u64::MAX))? {
            let leaf = item?.1.value().to_vec();
            bytes += leaf.len();
            if leaves.len() >= count_max || (bytes > bytes_max && !leaves.is_empty()) {
                break;
            }
            leaves.push(leaf);
        }
        Ok(leaves)
    }

    /// A long body.
    pub(crate) fn body(&self, sha256: &ContentHash) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.database()?.begin_read()?;
        let Some(table) = readable(read.open_table(BODIES))? else { return Ok(None) };
        Ok(table.get(sha256.as_bytes())?.map(|body| body.value().to_vec()))
    }

    /// Places of records from the latest to the oldest, from the one before `before`.
    pub(crate) fn places_before(
        &self,
        before: Option<&RecordPlace>,
        mut visit: impl FnMut(RecordPlace) -> bool,
    ) -> Result<(), StoreError> {
        let read = self.database()?.begin_read()?;
        let Some(table) = readable(read.open_table(ORDER))? else { return Ok(()) };
        let name = before.map(|place| place.log.to_string());
        let end = match (before, &name) {
            (Some(RecordPlace { clock, index, .. }), Some(name)) => {
                (clock.wall_ms, clock.counter, name.as_str(), *index)
            }
            _ => (u64::MAX, u32::MAX, "\u{10FFFF}", u64::MAX),
        };
        for item in table.range(..end)?.rev() {
            let key = item?.0;
            let (wall_ms, counter, name, index) = key.value();
            let Ok(log) = LogName::parse(name) else { continue };
            if !visit(RecordPlace { clock: Clock { wall_ms, counter }, log, index }) {
                break;
            }
        }
        Ok(())
    }
}

/// Writes records, the hashes of the subtrees that they make whole, and when they were made.
fn write_leaves(write: &redb::WriteTransaction, name: &str, new: &NewRecords<'_>) -> Result<(), StoreError> {
    let (mut leaves, mut subtrees) = (write.open_table(LEAVES)?, write.open_table(SUBTREES)?);
    let mut order = write.open_table(ORDER)?;
    for (index, leaf) in (new.first..).zip(new.leaves) {
        leaves.insert((name, index), leaf.as_slice())?;
        let mut hash = TreeHash::of_leaf(leaf);
        let (mut level, mut at) = (0, index);
        subtrees.insert((name, level, at), *hash.as_bytes())?;
        // With a right half, the subtree above it is whole.
        while at & 1 == 1 {
            let left = subtrees.get((name, level, at - 1))?.map(|left| left.value());
            let Some(left) = left else { break };
            hash = TreeHash::of_children(&TreeHash::from_bytes(left), &hash);
            (level, at) = (level + 1, at >> 1);
            subtrees.insert((name, level, at), *hash.as_bytes())?;
        }
        if let Ok(Record { clock, .. }) = Record::decode(leaf) {
            order.insert((clock.wall_ms, clock.counter, name, index), ())?;
        }
    }
    Ok(())
}

fn open_database(path: &Path) -> Result<Database, StoreError> {
    Ok(Database::builder().set_cache_size(CACHE_BYTES).create(path)?)
}

/// A table that nobody has written to yet is none.
fn readable<T>(opened: Result<T, redb::TableError>) -> Result<Option<T>, StoreError> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the file is at fault, and not its disk.
fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) | redb::Error::RepairAborted => true,
        redb::Error::Io(error) => {
            matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
        }
        _ => false,
    }
}

fn free_name(path: &Path) -> PathBuf {
    let name = |number: u32| path.with_extension(format!("redb.damaged-{number}"));
    (1..).map(name).find(|name| !name.exists()).unwrap_or_else(|| name(0))
}

/// Reads or writes the store on a thread that may wait for the disk.
pub(crate) async fn blocking<T: Send + 'static>(
    store: &LedgerStore,
    work: impl FnOnce(&LedgerStore) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let store = store.clone();
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&store);
        // What comes next finds the file as it is on the disk.
        if let Err(StoreError(error)) = &done
            && matches!(**error, redb::Error::PreviousIo | redb::Error::DatabaseClosed)
        {
            store.reopen()?;
        }
        done
    })
    .await;
    done.unwrap_or_else(|panic| Err(redb::Error::Io(std::io::Error::other(panic)).into()))
}
