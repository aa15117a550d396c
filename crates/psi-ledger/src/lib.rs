//! A ledger: what one run of a node recorded, so that nobody can change it unnoticed.
//!
//! Entries of ψ-field overwrite; a ledger appends. Its [records](record) are the leaves of a [Merkle tree](tree) of
//! RFC 6962, and the node signs its [heads](head). Each run has a tree of its own, whose first record names the heads
//! before it. A replica [replaces](SignedHead::replacement) a head only by one that was shown to go on from it.
//! [Checkpoints](body::ClusterCheckpoint) bind the ledgers of a cluster together. [Exports](export) and
//! [proofs of a record](RecordProof) are files that anyone verifies without the cluster.
//!
//! What this shows: a record that a head covers can't be changed, reordered or dropped unnoticed by one who holds such
//! a head and compares. What it does not show: that a record is true; that a leaf that nobody kept can be had again;
//! that there were no records after the last head.
//!
//! Borrowed are the layout of proofs (`ct-merkle`), SHA-256 (`sha2`), base64 (`data-encoding`), encodings (`prost`) and
//! signatures (`psi-security`, by *ring*). Written here is what none of them has: compact ranges, which live in
//! replicated state; proofs from hashes on a disk; heads and files in which no byte is free to change. Of each form
//! there is one encoding, so what is read is encoded again and compared.
//!
//! Pure: clocks and keys are arguments. No files, no sockets, no randomness, no async.

pub mod body;
pub mod export;
pub mod head;
pub mod record;
pub mod tree;

mod canonical;
mod hash;
mod held_log;
mod log_name;
mod record_proof;

/// Messages of records and exports, generated from `proto/psi/ledger/v1`.
#[allow(missing_docs, clippy::all, reason = "generated; the documentation is in the proto file")]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/psi.ledger.v1.rs"));
}

pub use hash::{ContentHash, TreeHash};
pub use head::{Continuation, Head, Replacement, SignedHead, UnverifiedHead};
pub use held_log::{ArchiveRefusal, HeldLog};
pub use log_name::{LogName, LogNameError};
pub use record::Record;
pub use record_proof::{PROOF_BYTES_MAX, RecordProof, RecordProofRefusal, UnverifiedProof};
pub use tree::{CompactRange, LeafSource, TreeHead};
