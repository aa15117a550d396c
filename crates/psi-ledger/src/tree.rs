//! The Merkle tree of RFC 6962, over hashes of leaves that the caller keeps.
//!
//! How proofs are laid out, and whether a consistency proof holds, is the matter of the crate `ct-merkle`. It keeps its
//! trees in memory, though, and knows no compact ranges. Those are here, and so is how proofs are made from hashes that
//! lie elsewhere.

mod head;
mod prover;
mod range;
mod refusal;
mod size;

pub use head::TreeHead;
pub use prover::{LeafSource, MissingLeaf, ProverError, prove_consistency, prove_inclusion};
pub use range::{CompactRange, RangeError};
pub use refusal::ProofRefusal;
pub use size::{SIZE_MAX, SizeError};
