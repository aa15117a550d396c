//! Why proofs prove nothing.

/// Why a proof proves nothing. It convicts nobody: any node that passed it on may have damaged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofRefusal {
    /// A record that the tree does not have.
    #[error("the proof is for record {index}, and the head covers {size} from 0; take a proof for a later head")]
    Index {
        /// The record.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// A tree that is shown to go on from a larger one.
    #[error("the proof leads from {older} records to {newer}, which is no growth; exchange the heads")]
    Order {
        /// Records of the tree that should be older.
        older: u64,
        /// Records of the tree that should be newer.
        newer: u64,
    },
    /// A proof of another length.
    #[error("the proof has {got} hashes, and between these sizes it needs {want}; take a proof for just these heads")]
    Length {
        /// Hashes that it has.
        got: usize,
        /// Hashes that it needs.
        want: usize,
    },
    /// A proof that leads to another root.
    #[error("the proof leads to another root than the head of {size} records has; take another copy of the proof")]
    Root {
        /// How many records the head covers.
        size: u64,
    },
}
