//! The snapshots of a directory: `snapshot`, and `snapshot.previous` before it.
//!
//! A new snapshot is written and synced under another name. Then it replaces the latest, which becomes the previous
//! one. So one of the two names always holds a whole snapshot, even if the machine stops at any instant. The previous
//! one also replaces a latest one that is damaged extension: an older state is valid too, and other nodes have the rest.

use std::{fmt, io};

use psi_replica::{ClusterName, Snapshot, SnapshotError};
use psi_state::Replica;

use super::directory::Disk;

const LATEST: &str = "snapshot";
const PREVIOUS: &str = "snapshot.previous";
const TEMPORARY: &str = "snapshot.temporary";
/// Before the time, in milliseconds since the Unix epoch, at which it was set aside.
const ASIDE: &str = "snapshot.refused-";
/// Files set aside that are kept, the latest of them: what two starts may find.
const ASIDE_KEPT: usize = 4;

/// An operation on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Write,
    SyncFile,
    Rename,
    SyncDirectory,
}

impl Operation {
    pub(crate) const ALL: [Self; 5] = [Self::Create, Self::Write, Self::SyncFile, Self::Rename, Self::SyncDirectory];

    /// For metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Write => "write",
            Self::SyncFile => "sync_file",
            Self::Rename => "rename",
            Self::SyncDirectory => "sync_directory",
        }
    }
}

/// A snapshot was not written; the earlier ones are unchanged.
#[derive(Debug, thiserror::Error)]
#[error("{} failed: {source}", .operation.as_str())]
pub(crate) struct SaveError {
    pub(crate) operation: Operation,
    pub(crate) source: io::Error,
}

/// The base moved while a snapshot was written: what was written before and after does not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TornSnapshot;

/// Why a file was not used.
#[derive(Debug)]
pub(crate) enum RefusedFile {
    Unreadable(io::Error),
    Snapshot(SnapshotError),
}

impl RefusedFile {
    /// For metrics and logs.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Snapshot(error) => error.reason(),
        }
    }
}

impl fmt::Display for RefusedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Snapshot(error) => error.fmt(f),
        }
    }
}

/// A file that was not used, and its name now.
#[derive(Debug)]
pub(crate) struct RefusedSnapshot {
    pub(crate) name: &'static str,
    pub(crate) error: RefusedFile,
    /// Its name now.
    pub(crate) aside: io::Result<String>,
}

/// The content of a directory.
#[derive(Debug, Default)]
pub(crate) struct LoadOutcome {
    /// The latest that is whole, with its name.
    pub(crate) snapshot: Option<(&'static str, Snapshot)>,
    pub(crate) refused: Vec<RefusedSnapshot>,
}

/// The snapshots of one directory.
#[derive(Debug)]
pub(crate) struct Store<D> {
    disk: D,
}

impl<D: Disk> Store<D> {
    pub(crate) fn new(disk: D) -> Self {
        Self { disk }
    }

    /// Writes a snapshot of the given parts and returns its size; `None` if it was torn, and nothing changed. Once it
    /// returns, the snapshot is durable.
    ///
    /// # Errors
    /// [`SaveError`]; the latest snapshot, or the previous one, is unchanged.
    pub(super) fn save(
        &self,
        parts: impl Iterator<Item = Result<Vec<u8>, TornSnapshot>>,
    ) -> Result<Option<u64>, SaveError> {
        let written = self.write(parts);
        if !matches!(written, Ok(Some(_))) {
            // It would take room on a full disk; the next attempt starts over.
            let _ = self.disk.remove(TEMPORARY);
        }
        let Some(bytes) = written? else { return Ok(None) };
        match self.disk.rename(LATEST, PREVIOUS) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed.map_err(failure(Operation::Rename))?,
        }
        self.disk.rename(TEMPORARY, LATEST).map_err(failure(Operation::Rename))?;
        self.disk.sync_directory().map_err(failure(Operation::SyncDirectory))?;
        Ok(Some(bytes))
    }

    /// Writes a file whole and synced, under a name that nothing reads; `None` if it was torn.
    fn write(&self, parts: impl Iterator<Item = Result<Vec<u8>, TornSnapshot>>) -> Result<Option<u64>, SaveError> {
        let mut bytes = 0;
        let mut file = self.disk.create(TEMPORARY).map_err(failure(Operation::Create))?;
        for part in parts {
            let Ok(part) = part else { return Ok(None) };
            self.disk.write(&mut file, &part).map_err(failure(Operation::Write))?;
            bytes += part.len() as u64;
        }
        self.disk.sync(&file).map_err(failure(Operation::SyncFile))?;
        Ok(Some(bytes))
    }

    /// Reads the latest snapshot that is whole and belongs to the cluster; sets others aside, at `wall_ms`.
    pub(crate) fn load(&self, cluster: &ClusterName, wall_ms: u64) -> LoadOutcome {
        // An unfinished write.
        let _ = self.disk.remove(TEMPORARY);
        let mut loaded = LoadOutcome::default();
        for name in [LATEST, PREVIOUS] {
            let read = match self.disk.read(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Err(RefusedFile::Unreadable(error)),
                Ok(bytes) => Replica::decode_snapshot(cluster, &bytes).map_err(RefusedFile::Snapshot),
            };
            match read {
                Ok(snapshot) => {
                    loaded.snapshot = Some((name, snapshot));
                    break;
                }
                Err(error) => {
                    loaded.refused.push(RefusedSnapshot { name, error, aside: self.set_aside(name, wall_ms) });
                }
            }
        }
        if !loaded.refused.is_empty() {
            self.remove_old_asides();
            let _ = self.disk.sync_directory();
        }
        loaded
    }

    fn set_aside(&self, name: &str, wall_ms: u64) -> io::Result<String> {
        let names = self.disk.names()?;
        let free = (wall_ms..).map(|at| format!("{ASIDE}{at}")).find(|name| !names.contains(name));
        let aside = free.ok_or_else(|| io::Error::other("no name is left for it"))?;
        self.disk.rename(name, &aside)?;
        Ok(aside)
    }

    fn remove_old_asides(&self) {
        let set_aside_at = |name: String| Some((name.strip_prefix(ASIDE)?.parse::<u64>().ok()?, name));
        let mut asides: Vec<(u64, String)> =
            self.disk.names().unwrap_or_default().into_iter().filter_map(set_aside_at).collect();
        asides.sort_unstable_by(|left, right| right.cmp(left));
        for (_, name) in asides.drain(..).skip(ASIDE_KEPT) {
            let _ = self.disk.remove(&name);
        }
    }
}

fn failure(operation: Operation) -> impl FnOnce(io::Error) -> SaveError {
    move |source| SaveError { operation, source }
}

#[cfg(test)]
mod tests;
