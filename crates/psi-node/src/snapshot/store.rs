//! The snapshots of a directory: `snapshot`, and `snapshot.previous` before it.
//!
//! A new snapshot is written and synced under another name. Then it replaces the latest, which becomes the previous
//! one. So one of the two names always holds a whole snapshot, even if the machine stops at any instant. The previous
//! one also replaces a latest one that is damaged: an older state is valid too, and other nodes have the rest.
//!
//! What can't be used is set aside as it is. It is used again once it fits, and no copy goes that is the last of its
//! cluster.

use std::{collections::BTreeSet, fmt, io};

use psi_replica::{ClusterName, Snapshot, SnapshotError};
use psi_state::Replica;

use super::directory::Disk;

const LATEST: &str = "snapshot";
const PREVIOUS: &str = "snapshot.previous";
const TEMPORARY: &str = "snapshot.temporary";
/// Before the time, in milliseconds since the Unix epoch, at which it was set aside.
const ASIDE: &str = "snapshot.refused-";
/// Files set aside that are kept, the latest of them: what two starts may find. The last copy of a cluster is kept
/// beyond that.
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
    /// The cluster that it belongs to, if that is another one.
    fn cluster(&self) -> Option<&str> {
        match self {
            Self::Snapshot(SnapshotError::Cluster { theirs, .. }) => Some(theirs),
            _ => None,
        }
    }

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
    /// The latest that is whole, with the name that it was found under.
    pub(crate) snapshot: Option<(String, Snapshot)>,
    pub(crate) refused: Vec<RefusedSnapshot>,
}

/// The directory holds snapshots, and none of them is of the cluster of this node. Nothing in it was changed.
#[derive(Debug)]
pub(crate) struct ForeignDirectory {
    /// The cluster that they belong to, as it is written there.
    pub(crate) theirs: String,
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

    /// Reads the latest snapshot that is whole and belongs to the cluster; sets others aside, at `wall_ms`. One that was
    /// set aside before stands in if it fits by now, as once the cluster's name is right again.
    ///
    /// # Errors
    /// [`ForeignDirectory`], if the only snapshots are those of another cluster.
    pub(crate) fn load(&self, cluster: &ClusterName, wall_ms: u64) -> Result<LoadOutcome, ForeignDirectory> {
        // An unfinished write.
        let _ = self.disk.remove(TEMPORARY);
        let (mut found, mut refused) = (None, Vec::new());
        for name in [LATEST, PREVIOUS] {
            match self.read(name, |bytes| Replica::decode_snapshot(cluster, bytes)) {
                None => {}
                Some(Ok(snapshot)) => {
                    found = Some((name.to_owned(), snapshot));
                    break;
                }
                Some(Err(error)) => refused.push((name, error)),
            }
        }
        if found.as_ref().is_some_and(|(name, _)| name == LATEST) {
            refused.extend(self.foreign_previous(cluster));
        }
        if found.is_none() && !refused.is_empty() {
            found = self.fitting_aside(cluster);
        }
        let theirs = refused.iter().find_map(|(_, error)| error.cluster());
        if let (None, Some(theirs)) = (&found, theirs) {
            return Err(ForeignDirectory { theirs: theirs.to_owned() });
        }
        let set_aside = |(name, error)| RefusedSnapshot { name, error, aside: self.set_aside(name, wall_ms) };
        let refused: Vec<RefusedSnapshot> = refused.into_iter().map(set_aside).collect();
        let may_take_name = refused.iter().all(|refused| refused.aside.is_ok());
        if let Some((name, _)) = found.as_ref().filter(|(name, _)| name.starts_with(ASIDE) && may_take_name) {
            // Where that fails, it stays aside, and the next start finds it there again.
            let _ = self.disk.rename(name, LATEST);
        }
        if !refused.is_empty() {
            self.remove_old_asides();
            let _ = self.disk.sync_directory();
        }
        Ok(LoadOutcome { snapshot: found, refused })
    }

    /// What a file comes to; `None` if there is none of that name.
    fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&[u8]) -> Result<T, SnapshotError>,
    ) -> Option<Result<T, RefusedFile>> {
        match self.disk.read(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(RefusedFile::Unreadable(error))),
            Ok(bytes) => Some(read(&bytes).map_err(RefusedFile::Snapshot)),
        }
    }

    /// The previous snapshot, if it belongs to another cluster: the next save would replace it.
    fn foreign_previous(&self, cluster: &ClusterName) -> Option<(&'static str, RefusedFile)> {
        let theirs = self.read(PREVIOUS, Snapshot::cluster_of)?.ok().filter(|theirs| theirs != cluster.as_str())?;
        let error = SnapshotError::Cluster { ours: cluster.clone(), theirs };
        Some((PREVIOUS, RefusedFile::Snapshot(error)))
    }

    /// The latest of what was set aside that fits.
    fn fitting_aside(&self, cluster: &ClusterName) -> Option<(String, Snapshot)> {
        let whole = |name: String| {
            let snapshot = self.read(&name, |bytes| Replica::decode_snapshot(cluster, bytes))?.ok()?;
            Some((name, snapshot))
        };
        self.asides().into_iter().find_map(whole)
    }

    fn set_aside(&self, name: &str, wall_ms: u64) -> io::Result<String> {
        let names = self.disk.names()?;
        let free = (wall_ms..).map(|at| format!("{ASIDE}{at}")).find(|name| !names.contains(name));
        let aside = free.ok_or_else(|| io::Error::other("no name is left for it"))?;
        self.disk.rename(name, &aside)?;
        Ok(aside)
    }

    /// The names of what was set aside, the latest first.
    fn asides(&self) -> Vec<String> {
        let set_aside_at = |name: String| Some((name.strip_prefix(ASIDE)?.parse::<u64>().ok()?, name));
        let names = self.disk.names().unwrap_or_default();
        let mut asides: Vec<(u64, String)> = names.into_iter().filter_map(set_aside_at).collect();
        asides.sort_unstable_by(|left, right| right.cmp(left));
        asides.into_iter().map(|(_, name)| name).collect()
    }

    /// Keeps the latest few, and of each cluster the latest that is whole: it may be all that is left of it.
    fn remove_old_asides(&self) {
        let mut clusters = BTreeSet::new();
        let is_last_copy = |name: &String| {
            let cluster = self.read(name, Snapshot::cluster_of).and_then(Result::ok);
            cluster.is_some_and(|cluster| clusters.insert(cluster))
        };
        let (_, others): (Vec<_>, Vec<_>) = self.asides().into_iter().partition(is_last_copy);
        for name in others.into_iter().skip(ASIDE_KEPT) {
            let _ = self.disk.remove(&name);
        }
    }
}

fn failure(operation: Operation) -> impl FnOnce(io::Error) -> SaveError {
    move |source| SaveError { operation, source }
}

#[cfg(test)]
mod tests;
