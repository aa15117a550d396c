//! Processes beside the ledgers: specs and transitions by hash, evidence of tasks that go on, and the registers of all
//! that this node took part in. What is decided outlives a crash of all nodes by them.

use prost::Message;
use redb::{ReadableDatabase, ReadableTable, TableDefinition};

use super::{BLOBS, LedgerStore, StoreError, readable};

/// By name: a [`StoredRegister`].
const REGISTERS: TableDefinition<&str, &[u8]> = TableDefinition::new("process_registers");
/// By the path of the task, and the name of the piece: a [`StoredEvidence`].
const EVIDENCE: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("process_evidence");

/// Least text that no name of a piece begins with.
const LAST: &str = "\u{10FFFF}";

/// A register of a process or a task, as replicated state would show it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StoredRegister {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) first_voters: Vec<Vec<u8>>,
    /// Of the last decision that is known; 0 for none.
    #[prost(uint64, tag = "2")]
    pub(crate) step: u64,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) decision: Vec<u8>,
}

/// A piece of evidence. Of two of one name the later one counts.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct StoredEvidence {
    #[prost(uint64, tag = "1")]
    pub(crate) wall_ms: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) counter: u32,
    /// The node that was given it.
    #[prost(string, tag = "3")]
    pub(crate) node: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) sha256: Vec<u8>,
    #[prost(uint64, tag = "5")]
    pub(crate) size: u64,
    /// Empty where only the hash was given.
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) document: Vec<u8>,
}

/// Which piece of which task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EvidenceKey {
    /// `process/NAME/TASK`.
    pub(crate) task: String,
    pub(crate) name: String,
}

impl StoredEvidence {
    /// What decides which of two pieces of one name counts.
    pub(crate) fn order(&self) -> (u64, u32, &str, &[u8]) {
        (self.wall_ms, self.counter, &self.node, &self.sha256)
    }
}

impl LedgerStore {
    /// A spec or a transition.
    pub(crate) fn blob(&self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.database()?.begin_read()?;
        let Some(table) = readable(read.open_table(BLOBS))? else { return Ok(None) };
        Ok(table.get(hash)?.map(|blob| blob.value().to_vec()))
    }

    /// Keeps specs and transitions, durably.
    pub(crate) fn put_blobs(&self, blobs: &[([u8; 32], Vec<u8>)]) -> Result<(), StoreError> {
        self.commit(|write| {
            let mut table = write.open_table(BLOBS)?;
            for (hash, blob) in blobs {
                table.insert(*hash, blob.as_slice())?;
            }
            Ok(())
        })
    }

    /// Removes specs and transitions.
    pub(crate) fn remove_blobs(&self, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
        self.commit(|write| {
            let mut table = write.open_table(BLOBS)?;
            for hash in hashes {
                table.remove(hash)?;
            }
            Ok(())
        })
    }

    /// A register of a process or of tasks, as it was kept last.
    pub(crate) fn process_register(&self, name: &str) -> Result<Option<StoredRegister>, StoreError> {
        let read = self.database()?.begin_read()?;
        let Some(table) = readable(read.open_table(REGISTERS))? else { return Ok(None) };
        Ok(table.get(name)?.and_then(|bytes| StoredRegister::decode(bytes.value()).ok()))
    }

    /// Registers of processes and tasks that this node has seen, by name.
    pub(crate) fn process_registers(&self) -> Result<Vec<(String, StoredRegister)>, StoreError> {
        let read = self.database()?.begin_read()?;
        let Some(table) = readable(read.open_table(REGISTERS))? else { return Ok(Vec::new()) };
        let mut registers = Vec::new();
        for item in table.iter()? {
            let (name, bytes) = item?;
            if let Ok(register) = StoredRegister::decode(bytes.value()) {
                registers.push((name.value().to_owned(), register));
            }
        }
        Ok(registers)
    }

    /// Keeps what is known of a register, durably, unless something later is kept.
    pub(crate) fn put_process_register(&self, name: &str, register: &StoredRegister) -> Result<(), StoreError> {
        self.commit(|write| {
            let mut table = write.open_table(REGISTERS)?;
            let kept = table.get(name)?.and_then(|bytes| StoredRegister::decode(bytes.value()).ok());
            if kept.is_none_or(|kept| kept.step < register.step) {
                table.insert(name, register.encode_to_vec().as_slice())?;
            }
            Ok(())
        })
    }

    /// Keeps what is known of a register of which nothing is kept. The keeper replaces what is, as it looks at what went.
    pub(crate) fn put_new_register(&self, name: &str, register: &StoredRegister) -> Result<(), StoreError> {
        if self.process_register(name)?.is_some() { Ok(()) } else { self.put_process_register(name, register) }
    }

    /// Evidence of a task, by name. Documents are left out.
    pub(crate) fn evidence(&self, task: &str) -> Result<Vec<(String, StoredEvidence)>, StoreError> {
        let read = self.database()?.begin_read()?;
        let Some(table) = readable(read.open_table(EVIDENCE))? else { return Ok(Vec::new()) };
        let mut pieces = Vec::new();
        for item in table.range((task, "")..(task, LAST))? {
            let (key, bytes) = item?;
            if let Ok(piece) = StoredEvidence::decode(bytes.value()) {
                pieces.push((key.value().1.to_owned(), StoredEvidence { document: Vec::new(), ..piece }));
            }
        }
        Ok(pieces)
    }

    /// One piece of evidence.
    pub(crate) fn evidence_piece(&self, key: &EvidenceKey) -> Result<Option<StoredEvidence>, StoreError> {
        let read = self.database()?.begin_read()?;
        let Some(table) = readable(read.open_table(EVIDENCE))? else { return Ok(None) };
        let bytes = table.get((key.task.as_str(), key.name.as_str()))?;
        Ok(bytes.and_then(|bytes| StoredEvidence::decode(bytes.value()).ok()))
    }

    /// Keeps a piece of evidence, durably, unless a later one of its name is kept. `false`: the task would have more than
    /// `pieces_max`, or the documents of all tasks more than `bytes_max`.
    pub(crate) fn put_evidence(
        &self,
        key: &EvidenceKey,
        piece: &StoredEvidence,
        (pieces_max, bytes_max): (usize, usize),
    ) -> Result<bool, StoreError> {
        let fits = std::cell::Cell::new(false);
        self.commit(|write| {
            let mut table = write.open_table(EVIDENCE)?;
            let place = (key.task.as_str(), key.name.as_str());
            let (mut pieces, mut bytes) = (0, piece.document.len());
            for item in table.iter()? {
                let (other, kept) = item?;
                if other.value() != place {
                    pieces += usize::from(other.value().0 == place.0);
                    bytes += kept.value().len();
                }
            }
            fits.set(pieces < pieces_max && bytes <= bytes_max);
            let kept = table.get(place)?.and_then(|kept| StoredEvidence::decode(kept.value()).ok());
            if fits.get() && kept.is_none_or(|kept| kept.order() < piece.order()) {
                table.insert(place, piece.encode_to_vec().as_slice())?;
            }
            Ok(())
        })?;
        Ok(fits.get())
    }

    /// Removes all evidence of a task. Returns how many pieces there were.
    pub(crate) fn remove_evidence(&self, task: &str) -> Result<usize, StoreError> {
        let pieces = self.evidence(task)?;
        if pieces.is_empty() {
            return Ok(0);
        }
        self.commit(|write| {
            let mut table = write.open_table(EVIDENCE)?;
            for (name, _) in &pieces {
                table.remove((task, name.as_str()))?;
            }
            Ok(())
        })?;
        Ok(pieces.len())
    }
}
