//! A tree by its size and root, and what proofs say of it.

use ct_merkle::{ConsistencyProof, RootHash, indices_for_consistency_proof, indices_for_inclusion_proof};
use sha2::Sha256;

use super::{
    refusal::ProofRefusal,
    size::{SizeError, check_size},
};
use crate::hash::TreeHash;

/// How many records a tree has, and what they hash to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    size: u64,
    root: TreeHash,
}

impl TreeHead {
    /// A head of so many records.
    ///
    /// # Errors
    /// There are none, or more than [`SIZE_MAX`](super::SIZE_MAX).
    pub fn new(size: u64, root: TreeHash) -> Result<Self, SizeError> {
        check_size(size).map(|()| Self { size, root })
    }

    /// How many records it covers.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What they hash to.
    #[must_use]
    pub fn root(&self) -> TreeHash {
        self.root
    }

    /// Verifies that the leaf of this hash is the record at `index`.
    ///
    /// # Errors
    /// [`ProofRefusal`].
    pub fn verify_inclusion(&self, index: u64, leaf: TreeHash, proof: &[TreeHash]) -> Result<(), ProofRefusal> {
        if index >= self.size {
            return Err(ProofRefusal::Index { index, size: self.size });
        }
        let siblings = indices_for_inclusion_proof(self.size, index);
        if proof.len() != siblings.len() {
            return Err(ProofRefusal::Length { got: proof.len(), want: siblings.len() });
        }
        // `ct-merkle` counts the nodes of a tree from left to right, so leaves have the even numbers.
        let root = siblings.iter().zip(proof).fold(leaf, |hash, (sibling, proved)| {
            if *sibling < 2 * index {
                TreeHash::of_children(proved, &hash)
            } else {
                TreeHash::of_children(&hash, proved)
            }
        });
        if root == self.root { Ok(()) } else { Err(ProofRefusal::Root { size: self.size }) }
    }

    /// Verifies that this tree begins with all records of `older`, in their order.
    ///
    /// # Errors
    /// [`ProofRefusal`].
    pub fn verify_consistency(&self, older: &Self, proof: &[TreeHash]) -> Result<(), ProofRefusal> {
        let Some(added) = self.size.checked_sub(older.size) else {
            return Err(ProofRefusal::Order { older: older.size, newer: self.size });
        };
        let want = indices_for_consistency_proof(older.size, added).len();
        if proof.len() != want {
            return Err(ProofRefusal::Length { got: proof.len(), want });
        }
        let refusal = ProofRefusal::Root { size: self.size };
        let proof = ConsistencyProof::try_from_bytes(TreeHash::list_to_bytes(proof)).map_err(|_| refusal)?;
        self.root_hash().verify_consistency(&older.root_hash(), &proof).map_err(|_| refusal)
    }

    fn root_hash(&self) -> RootHash<Sha256> {
        RootHash::new((*self.root.as_bytes()).into(), self.size)
    }
}
