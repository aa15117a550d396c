//! The part of the file system that snapshots need, and the real data directory.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use psi_replica::ClusterName;

/// The data directory can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Another process has it.
    #[error("data directory {} is in use by another process; give each node a directory of its own (data.dir)", .0.display())]
    InUse(PathBuf),
    /// It holds the snapshots of another cluster, and none of this node's. Nothing in it was changed.
    #[error(
        "data directory {} holds snapshots of cluster `{theirs}`, and this node is of cluster `{ours}`; put the name right \
         (cluster.name), or give this node another directory (data.dir)",
        .path.display()
    )]
    OtherCluster {
        /// The directory.
        path: PathBuf,
        /// The cluster of the snapshots, as it is written there.
        theirs: String,
        /// This node's.
        ours: ClusterName,
    },
    /// The node's own key is damaged.
    #[error(
        "{} is no key of a node: it is damaged. Restore it from a backup; or remove it, and the node is a new one to \
         others",
        .0.display()
    )]
    NodeKey(PathBuf),
    /// It can't be created or written.
    #[error("can't use data directory {}: {source}; make it writable, or choose another (data.dir)", .path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Held by the process that uses the directory.
const LOCK: &str = "lock";

/// Files of one directory, by name. Changes of names are durable once the directory is synced, contents of a file
/// once the file is.
pub(crate) trait Disk {
    /// A file that is being written.
    type File;

    /// Creates a file, or truncates it.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Appends all bytes; after a failure, some of them may be there.
    fn write(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// Renames a file, replacing one of the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    fn sync_directory(&self) -> io::Result<()>;
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    fn names(&self) -> io::Result<Vec<String>>;
}

/// A directory that this process alone uses.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// The lock ends with the process, however that ends.
    _lock: File,
}

impl Directory {
    /// Locks the directory, and creates it if it is missing.
    ///
    /// # Errors
    /// [`DataError`] if it can't be written to, or another process has it.
    pub(crate) fn lock(path: PathBuf) -> Result<Self, DataError> {
        let made =
            make(&path).and_then(|()| File::options().create(true).truncate(false).write(true).open(path.join(LOCK)));
        let lock = match made {
            Ok(lock) => lock,
            Err(source) => return Err(DataError::Unusable { path, source }),
        };
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataError::InUse(path)),
            Err(TryLockError::Error(source)) => Err(DataError::Unusable { path, source }),
        }
    }
}

/// Creates a directory and its missing parents durably: the names of new ones are synced too.
fn make(path: &Path) -> io::Result<()> {
    let above = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let missing: Vec<PathBuf> = path.ancestors().take_while(|path| !path.exists()).map(above).collect();
    fs::create_dir_all(path)?;
    missing.iter().try_for_each(|parent| File::open(parent)?.sync_all())
}

impl Disk for Directory {
    type File = File;

    fn create(&self, name: &str) -> io::Result<File> {
        File::create(self.path.join(name))
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().into_string()));
        // Other names than UTF-8 are not ours.
        names.filter_map(|name: io::Result<Result<String, _>>| name.map(Result::ok).transpose()).collect()
    }
}
