//! Hashes of stored records, to make proofs of.

use psi_ledger::{LeafSource, LogName, TreeHash};
use redb::ReadableDatabase;

use super::{LedgerStore, SUBTREES, StoreError, readable};

impl LedgerStore {
    /// Hashes of the records of a log, to make proofs of.
    pub(crate) fn hashes<'a>(&'a self, log: &'a LogName) -> StoredHashes<'a> {
        StoredHashes { store: self, log }
    }
}

/// Hashes of the records of one log on disk.
pub(crate) struct StoredHashes<'a> {
    store: &'a LedgerStore,
    log: &'a LogName,
}

/// A hash that a proof needs and the disk does not give.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("this node does not hold record {0} of it; ask another node")]
    Missing(u64),
}

impl LeafSource for StoredHashes<'_> {
    type Error = HashError;

    fn leaf_hash(&self, index: u64) -> Result<TreeHash, HashError> {
        self.subtree_hash(0, index)
    }

    fn subtree_hash(&self, level: u32, index: u64) -> Result<TreeHash, HashError> {
        let read = self.store.database()?.begin_read().map_err(StoreError::from)?;
        let table = readable(read.open_table(SUBTREES))?.ok_or(HashError::Missing(index << level))?;
        let hash = table.get((self.log.to_string().as_str(), level, index)).map_err(StoreError::from)?;
        hash.map(|hash| TreeHash::from_bytes(hash.value())).ok_or(HashError::Missing(index << level))
    }
}
