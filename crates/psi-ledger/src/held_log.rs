//! A ledger as a node holds it: the head that it believes, and how many of its records it has.

use crate::{
    hash::TreeHash,
    head::{Continuation, Replacement, SignedHead, UnprovenCause},
    tree::{CompactRange, ProofRefusal, RangeError},
};

/// A ledger as a node holds it. The archive never goes beyond the head.
#[derive(Clone, Debug)]
pub struct HeldLog {
    head: SignedHead,
    archive: CompactRange,
}

/// Why records were not added to an archive. It is unchanged then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveRefusal {
    /// There are more than the head covers.
    #[error("the head covers {size} records, and these would make {got}; wait for a later head")]
    BeyondHead {
        /// Records that there would be.
        got: u64,
        /// Records of the head.
        size: u64,
    },
    /// They are not what the node signed.
    #[error("the records give another root than the head has; fetch them from another node")]
    OtherRoot,
    /// They end before the head does, and nothing shows that the head goes on from them.
    #[error(transparent)]
    Proof(#[from] ProofRefusal),
    /// They can't be counted.
    #[error(transparent)]
    Range(#[from] RangeError),
}

impl HeldLog {
    /// The first head of a ledger that is seen. Nothing older says whether it is right.
    #[must_use]
    pub fn first_seen(head: SignedHead) -> Self {
        let archive = CompactRange::default();
        Self { head, archive }
    }

    /// A ledger as it was held before.
    ///
    /// # Errors
    /// The archive goes beyond the head, or has another root at the size of the head.
    pub fn restore(head: SignedHead, archive: CompactRange) -> Result<Self, ArchiveRefusal> {
        let (got, size) = (archive.end(), head.head().tree.size());
        if got > size {
            return Err(ArchiveRefusal::BeyondHead { got, size });
        }
        if got == size && archive.head() != Some(head.head().tree) {
            return Err(ArchiveRefusal::OtherRoot);
        }
        Ok(Self { head, archive })
    }

    /// The head that is believed.
    #[must_use]
    pub fn head(&self) -> &SignedHead {
        &self.head
    }

    /// The compact range of the records that are held, from the first.
    #[must_use]
    pub fn archive(&self) -> &CompactRange {
        &self.archive
    }

    /// Records that the head covers and that are not held.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.head.head().tree.size().saturating_sub(self.archive.end())
    }

    /// Takes a head that is shown in place of this one, if it goes on from it. `leaves` are the hashes of the records
    /// that follow the archive; those beyond the head that is shown are left alone.
    ///
    /// Returns the outcome, and how many of the leaves were added to the archive.
    pub fn advance(&mut self, shown: &SignedHead, leaves: &[TreeHash]) -> (Replacement, u64) {
        let missing = shown.head().tree.size().saturating_sub(self.archive.end());
        let leaves = usize::try_from(missing).ok().and_then(|missing| leaves.get(..missing));
        // Leaves prove most where none are missing before them.
        let continuation = match leaves {
            Some(leaves) if self.missing() == 0 => Continuation::Leaves(&self.archive, leaves),
            _ => Continuation::None,
        };
        let replacement = self.head.replacement(shown, continuation);
        let Some(leaves) = leaves.filter(|_| replacement == Replacement::Extended) else { return (replacement, 0) };
        self.head = shown.clone();
        match self.extended(leaves) {
            Ok(archive) => {
                self.archive = archive;
                (replacement, leaves.len() as u64)
            }
            Err(error) => (Replacement::Unproven(UnprovenCause::Range(error)), 0),
        }
    }

    /// Takes a head that a consistency proof shows to go on from this one. The archive stays behind.
    pub fn advance_by_proof(&mut self, shown: &SignedHead, proof: &[TreeHash]) -> Replacement {
        let replacement = self.head.replacement(shown, Continuation::Proof(proof));
        if replacement == Replacement::Extended {
            self.head = shown.clone();
        }
        replacement
    }

    /// Adds records to the archive. If they do not reach the head, `proof` shows that the head goes on from them.
    ///
    /// # Errors
    /// [`ArchiveRefusal`].
    pub fn archive_more(&mut self, leaves: &[TreeHash], proof: &[TreeHash]) -> Result<(), ArchiveRefusal> {
        let tree = self.head.head().tree;
        let archive = self.extended(leaves)?;
        if archive.end() > tree.size() {
            return Err(ArchiveRefusal::BeyondHead { got: archive.end(), size: tree.size() });
        }
        match archive.head() {
            Some(head) if head.size() == tree.size() && head != tree => return Err(ArchiveRefusal::OtherRoot),
            Some(head) if head.size() < tree.size() => tree.verify_consistency(&head, proof)?,
            _ => {}
        }
        self.archive = archive;
        Ok(())
    }

    fn extended(&self, leaves: &[TreeHash]) -> Result<CompactRange, RangeError> {
        let mut archive = self.archive.clone();
        leaves.iter().try_for_each(|leaf| archive.append(*leaf))?;
        Ok(archive)
    }
}
