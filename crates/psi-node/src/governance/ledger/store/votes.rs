//! Votes beside the ledgers: what this node promised and accepted, and the key that it votes by.

use std::{os::unix::fs::MetadataExt, path::Path};

use psi_security::node_key::NodePublicKey;
use redb::{ReadableDatabase, TableDefinition};
use tracing::warn;

use super::{LedgerStore, StoreError, readable};

/// By the id of a register: what this node voted in it, a psi.quorum.v1.Record.
pub(super) const VOTES: TableDefinition<[u8; 32], &[u8]> = TableDefinition::new("votes");
/// One row: the key that this store votes by. It is made with the store, so that it is lost with the votes.
pub(super) const VOTER: TableDefinition<(), [u8; 32]> = TableDefinition::new("voter");

/// One row: the number of the file on its disk. A copy of it has another, and may lack votes.
pub(super) const INODE: TableDefinition<(), u64> = TableDefinition::new("inode");

impl LedgerStore {
    /// A file that was copied, or restored from a backup, votes by a new key: votes may have been given since.
    pub(super) fn check_place(&self, path: &Path) -> Result<(), StoreError> {
        let inode = std::fs::metadata(path).map_err(redb::StorageError::from)?.ino();
        let read = self.database()?.begin_read()?;
        let before =
            readable(read.open_table(INODE))?.map(|table| Ok::<_, StoreError>(table.get(())?.map(|row| row.value())));
        let before = before.transpose()?.flatten();
        if before == Some(inode) {
            return Ok(());
        }
        if before.is_some() {
            warn!(
                "{} is a copy, as from a backup: this node votes by a new key, once the voters are named again                  (psi-field lease voters)",
                path.display()
            );
            self.replace_voter_key()?;
        }
        self.commit(|write| {
            write.open_table(INODE)?.insert((), inode)?;
            Ok(())
        })
    }

    /// The key that this store votes by.
    pub(crate) fn voter_key(&self) -> Result<NodePublicKey, StoreError> {
        let read = self.database()?.begin_read()?;
        let key = read.open_table(VOTER)?.get(())?.map(|key| key.value());
        key.map(NodePublicKey::from_bytes).ok_or_else(|| redb::Error::Corrupted("no key of a voter".to_owned()).into())
    }

    /// Votes by a new key from now on: this store may lack votes that were given by the one before.
    pub(crate) fn replace_voter_key(&self) -> Result<(), StoreError> {
        self.commit(|write| {
            write.open_table(VOTER)?.insert((), rand::random::<[u8; 32]>())?;
            write.delete_table(VOTES)?;
            write.open_table(VOTES)?;
            Ok(())
        })
    }

    /// What was voted in a register.
    pub(crate) fn vote(&self, register: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.database()?.begin_read()?;
        let Some(table) = readable(read.open_table(VOTES))? else { return Ok(None) };
        Ok(table.get(register)?.map(|record| record.value().to_vec()))
    }

    /// Keeps what is voted in a register, durably.
    pub(crate) fn put_vote(&self, register: &[u8; 32], record: &[u8]) -> Result<(), StoreError> {
        self.commit(|write| {
            write.open_table(VOTES)?.insert(*register, record)?;
            Ok(())
        })
    }
}
