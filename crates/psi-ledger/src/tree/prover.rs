//! How proofs are made, from hashes of leaves that lie in memory or on a disk.

use ct_merkle::{indices_for_consistency_proof, indices_for_inclusion_proof};

use super::{
    range::{root_of, subtrees},
    refusal::ProofRefusal,
    size::{SizeError, check_size},
};
use crate::hash::TreeHash;

/// Where hashes of leaves lie.
pub trait LeafSource {
    /// Why one could not be read.
    type Error;

    /// The hash of the leaf at `index`.
    ///
    /// # Errors
    /// It is not there, or can't be read.
    fn leaf_hash(&self, index: u64) -> Result<TreeHash, Self::Error>;

    /// The hash of the `index`-th subtree of 2^`level` leaves. This reads all of these leaves, so a proof reads the
    /// whole tree once. A source that keeps the hashes of whole subtrees answers at once; a proof then needs a few
    /// dozen.
    ///
    /// # Errors
    /// As [`LeafSource::leaf_hash`].
    fn subtree_hash(&self, level: u32, index: u64) -> Result<TreeHash, Self::Error> {
        let Some(below) = level.checked_sub(1) else {
            return self.leaf_hash(index);
        };
        let (left, right) = (self.subtree_hash(below, 2 * index)?, self.subtree_hash(below, 2 * index + 1)?);
        Ok(TreeHash::of_children(&left, &right))
    }
}

/// A leaf that a list in memory does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {index} was asked for, and {held} are held from 0")]
pub struct MissingLeaf {
    /// The leaf.
    pub index: u64,
    /// How many there are.
    pub held: usize,
}

/// Why no proof was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProverError<E> {
    /// No tree has so many leaves, or none.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// There is no such proof.
    #[error(transparent)]
    Proof(ProofRefusal),
    /// A hash could not be read.
    #[error(transparent)]
    Source(E),
}

impl LeafSource for [TreeHash] {
    type Error = MissingLeaf;

    fn leaf_hash(&self, index: u64) -> Result<TreeHash, MissingLeaf> {
        let found = usize::try_from(index).ok().and_then(|index| self.get(index));
        found.copied().ok_or(MissingLeaf { index, held: self.len() })
    }
}

/// A proof that a record is in the tree of the first `size` records.
///
/// # Errors
/// [`ProverError`].
pub fn prove_inclusion<S: LeafSource + ?Sized>(
    source: &S,
    size: u64,
    index: u64,
) -> Result<Vec<TreeHash>, ProverError<S::Error>> {
    check_size(size)?;
    if index >= size {
        return Err(ProverError::Proof(ProofRefusal::Index { index, size }));
    }
    hashes_at(source, size, &indices_for_inclusion_proof(size, index))
}

/// A proof that the tree of the first `newer` records begins with the tree of the first `older`.
///
/// # Errors
/// [`ProverError`].
pub fn prove_consistency<S: LeafSource + ?Sized>(
    source: &S,
    older: u64,
    newer: u64,
) -> Result<Vec<TreeHash>, ProverError<S::Error>> {
    check_size(older)?;
    check_size(newer)?;
    let added = newer.checked_sub(older).ok_or(ProverError::Proof(ProofRefusal::Order { older, newer }))?;
    hashes_at(source, newer, &indices_for_consistency_proof(older, added))
}

/// The leaves below a node. `ct-merkle` counts the nodes of a tree from left to right, as RFC 9420 does in appendix C,
/// so a node n levels above the leaves has n ones at the end of its number.
fn leaves_below(node: u64, size: u64) -> (u64, u64) {
    let level = node.trailing_ones();
    let begin = (node >> (level + 1)) << level;
    (begin, size.min(begin + (1 << level)))
}

fn hashes_at<S: LeafSource + ?Sized>(
    source: &S,
    size: u64,
    nodes: &[u64],
) -> Result<Vec<TreeHash>, ProverError<S::Error>> {
    let hash_at = |node: &u64| {
        let (begin, end) = leaves_below(*node, size);
        let hashes: Result<Vec<_>, _> =
            subtrees(begin, end).map(|subtree| source.subtree_hash(subtree.level, subtree.index)).collect();
        Ok(root_of(&hashes.map_err(ProverError::Source)?).expect("a node has leaves below it"))
    };
    nodes.iter().map(hash_at).collect()
}
