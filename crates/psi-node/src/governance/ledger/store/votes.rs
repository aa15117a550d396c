//! Votes beside the ledgers: what this node promised and accepted, and the key that it votes by.

use std::{os::unix::fs::MetadataExt, path::Path, time::UNIX_EPOCH};

use psi_security::node_key::NodePublicKey;
use redb::{ReadableDatabase, TableDefinition};
use tracing::warn;

use super::{BLOBS, LedgerStore, StoreError, VOTER, VOTES, readable};

/// One row: what distinguishes the file from others on its disk. A copy of it differs, and may lack votes.
const PLACE: TableDefinition<(), (u64, u128)> = TableDefinition::new("place");

impl LedgerStore {
    /// A file that was copied, or restored from a backup, votes by a new key: votes may have been given since.
    pub(super) fn check_place(&self, path: &Path) -> Result<(), StoreError> {
        let metadata = std::fs::metadata(path).map_err(redb::StorageError::from)?;
        // The number alone may be that of a file which was removed.
        let made = metadata.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        let place = (metadata.ino(), made.unwrap_or_default().as_nanos());
        let read = self.database()?.begin_read()?;
        let stored = readable(read.open_table(PLACE))?;
        let before = stored.map(|table| Ok::<_, StoreError>(table.get(())?.map(|row| row.value())));
        let before = before.transpose()?.flatten();
        if before == Some(place) {
            return Ok(());
        }
        if before.is_some() {
            let path = path.display();
            warn!(
                "{path} is a copy, as from a backup: this node has a new vote; name the voters again (lease voters set)"
            );
            self.replace_voter_key()?;
        }
        self.commit(|write| {
            write.open_table(PLACE)?.insert((), place)?;
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

    /// Keeps what is voted in a register, durably, and with it the transition that the vote is for, if it is not here yet.
    pub(crate) fn put_vote(
        &self,
        register: &[u8; 32],
        record: &[u8],
        transition: Option<&([u8; 32], Vec<u8>)>,
    ) -> Result<(), StoreError> {
        self.commit(|write| {
            write.open_table(VOTES)?.insert(*register, record)?;
            if let Some((hash, blob)) = transition {
                write.open_table(BLOBS)?.insert(*hash, blob.as_slice())?;
            }
            Ok(())
        })
    }
}
