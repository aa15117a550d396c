//! What is stored of a log: the head that is believed, and what it covers.

use prost::Message;
use psi_ledger::{CompactRange, HeldLog, LogName, TreeHash, UnverifiedHead};
use psi_security::node_key::NodePublicKey;

/// What is stored of a log.
#[derive(Clone, PartialEq, Message)]
struct StoredLog {
    /// The head that is believed.
    #[prost(string, tag = "1")]
    note: String,
    /// How many records are stored, from the first.
    #[prost(uint64, tag = "2")]
    records: u64,
    /// Their compact range.
    #[prost(bytes = "vec", tag = "3")]
    range: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    public_key: Vec<u8>,
    /// Empty without a cluster key.
    #[prost(bytes = "vec", tag = "5")]
    voucher: Vec<u8>,
    /// Heads that contradict the one that is believed.
    #[prost(string, repeated, tag = "6")]
    conflicts: Vec<String>,
}

/// A log as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct LogRow {
    pub(crate) held: HeldLog,
    /// Whose word it is that the key is the node's; empty without a cluster key.
    pub(crate) voucher: Vec<u8>,
    /// Heads that contradict the one that is believed, at most [`CONFLICTS_MAX`](super::CONFLICTS_MAX).
    pub(crate) conflicts: Vec<String>,
}

impl LogRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { held, voucher, conflicts } = self;
        let (archive, head) = (held.archive(), held.head());
        let stored = StoredLog {
            note: head.note(),
            records: archive.end(),
            range: TreeHash::list_to_bytes(archive.hashes()),
            public_key: head.public_key().as_bytes().to_vec(),
            voucher: voucher.clone(),
            conflicts: conflicts.clone(),
        };
        stored.encode_to_vec()
    }

    pub(super) fn decode(log: &LogName, bytes: &[u8]) -> Option<Self> {
        let StoredLog { note, records, range, public_key, voucher, conflicts } = StoredLog::decode(bytes).ok()?;
        let key = NodePublicKey::from_bytes(public_key.try_into().ok()?);
        let head = UnverifiedHead::parse(&note).ok()?.verify(&key).ok()?;
        if head.head().log != *log {
            return None;
        }
        let archive = CompactRange::from_hashes(records, TreeHash::list_from_bytes(&range)?).ok()?;
        Some(Self { held: HeldLog::restore(head, archive).ok()?, voucher, conflicts })
    }
}
