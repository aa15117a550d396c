//! When a head may take the place of another.

use super::note::SignedHead;
use crate::{
    hash::TreeHash,
    tree::{CompactRange, ProofRefusal, RangeError},
};

/// What shows that a larger tree begins with a smaller one.
#[derive(Clone, Copy, Debug)]
pub enum Continuation<'a> {
    /// Nothing.
    None,
    /// The hashes of all leaves that came after the smaller tree, and its compact range.
    Leaves(&'a CompactRange, &'a [TreeHash]),
    /// A consistency proof.
    Proof(&'a [TreeHash]),
}

/// What comes of a head that is shown where another is held. Only [`Replacement::Extended`] replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Replacement {
    /// It covers the same records. Keep the one that is held.
    Same,
    /// It was shown to begin with all that is held. Take it.
    Extended,
    /// It is larger, and nothing shows that it goes on from the one that is held. Keep both, and ask for a proof.
    Unproven(UnprovenCause),
    /// Two roots of one size: the node signed two histories. Keep both, and tell people.
    Fork,
    /// It is smaller. It was overtaken on the way, or the node was set back. If it has a later clock than the one that
    /// is held, it was set back: keep both, and tell people.
    Smaller,
    /// Another key signed it. A run has one key, so somebody else signed it, or the key was copied.
    OtherKey,
    /// It is of another ledger, so neither says anything of the other.
    OtherLog,
}

/// Why a larger head was not shown to go on from a smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnprovenCause {
    /// There is neither a proof nor all leaves between them.
    #[error("there is no proof yet; ask the node, or a peer that holds its records")]
    NoProof,
    /// The proof proves nothing.
    #[error(transparent)]
    Proof(#[from] ProofRefusal),
    /// The range is not that of the head that is held.
    #[error("the compact range of {got} records is not that of the head of {want}; take it from another copy")]
    OtherRange {
        /// Records of the range.
        got: u64,
        /// Records of the head.
        want: u64,
    },
    /// The leaves do not reach from one head to the other.
    #[error("{got} hashes of records were given, and between the heads lie {want}")]
    LeafCount {
        /// How many were given.
        got: u64,
        /// How many are needed.
        want: u64,
    },
    /// The leaves give another root. They are not what the node signed.
    #[error("the records that are held give another root than the larger head has; fetch a proof for it")]
    OtherLeaves,
    /// They can't be counted.
    #[error(transparent)]
    Range(#[from] RangeError),
}

impl SignedHead {
    /// Decides whether a head that is shown may take the place of this one.
    pub fn replacement(&self, shown: &Self, continuation: Continuation<'_>) -> Replacement {
        let (held, new) = (self.head(), shown.head());
        if held.log != new.log {
            return Replacement::OtherLog;
        }
        if self.public_key() != shown.public_key() {
            return Replacement::OtherKey;
        }
        if new.tree.size() < held.tree.size() {
            return Replacement::Smaller;
        }
        if new.tree.size() == held.tree.size() {
            return if new.tree.root() == held.tree.root() { Replacement::Same } else { Replacement::Fork };
        }
        match self.check_continuation(shown, continuation) {
            Ok(()) => Replacement::Extended,
            Err(cause) => Replacement::Unproven(cause),
        }
    }

    fn check_continuation(&self, shown: &Self, continuation: Continuation<'_>) -> Result<(), UnprovenCause> {
        let (held, new) = (self.head().tree, shown.head().tree);
        let (range, leaves) = match continuation {
            Continuation::None => return Err(UnprovenCause::NoProof),
            Continuation::Proof(proof) => return Ok(new.verify_consistency(&held, proof)?),
            Continuation::Leaves(range, leaves) => (range, leaves),
        };
        if range.head() != Some(held) {
            return Err(UnprovenCause::OtherRange { got: range.end(), want: held.size() });
        }
        let (got, want) = (leaves.len() as u64, new.size() - held.size());
        if got != want {
            return Err(UnprovenCause::LeafCount { got, want });
        }
        let mut range = range.clone();
        leaves.iter().try_for_each(|leaf| range.append(*leaf)).map_err(RangeError::from)?;
        if range.head() == Some(new) { Ok(()) } else { Err(UnprovenCause::OtherLeaves) }
    }
}
