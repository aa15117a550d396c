//! The roots of the whole subtrees that some leaves form: what a tree grows from without its older leaves.
//!
//! The compact ranges of
//! [transparency-dev](https://github.com/transparency-dev/merkle/blob/main/docs/compact_ranges.md).

use super::{
    head::TreeHead,
    size::{SIZE_MAX, SizeError},
};
use crate::hash::TreeHash;

/// The leaves from `begin` up to `end`, as the fewest hashes that give the root with what lies around them.
///
/// One that begins at 0 has a hash for each 1 in the binary number of its leaves, so 48 at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactRange {
    begin: u64,
    end: u64,
    hashes: Vec<TreeHash>,
}

/// Why there is no such range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// Too many leaves.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// More or fewer hashes than the leaves need.
    #[error("the compact range of {size} records has {want} hashes, and this has {got}; take it from another copy")]
    Length {
        /// Leaves.
        size: u64,
        /// Hashes that it has.
        got: usize,
        /// Hashes that it needs.
        want: usize,
    },
    /// Two ranges with a gap between them, or that overlap.
    #[error("a range that begins at record {begin} does not follow one that ends before record {end}")]
    Gap {
        /// Where the first ends.
        end: u64,
        /// Where the second begins.
        begin: u64,
    },
}

/// A subtree of 2^`level` leaves, which is the `index`-th of its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subtree {
    pub(super) level: u32,
    pub(super) index: u64,
}

/// The fewest whole subtrees that the leaves from `begin` up to `end` form, from left to right.
pub(super) fn subtrees(begin: u64, end: u64) -> impl Iterator<Item = Subtree> {
    let mut at = begin;
    std::iter::from_fn(move || {
        let level = (end - at).checked_ilog2()?.min(at.trailing_zeros());
        let subtree = Subtree { level, index: at >> level };
        at += 1 << level;
        Some(subtree)
    })
}

/// The root of subtrees that lie side by side, from left to right.
pub(super) fn root_of(hashes: &[TreeHash]) -> Option<TreeHash> {
    let (last, rest) = hashes.split_last()?;
    Some(rest.iter().rfold(*last, |right, left| TreeHash::of_children(left, &right)))
}

impl CompactRange {
    /// No leaves, before the leaf at `begin`: 0 for a tree, another for a range that is merged into one.
    ///
    /// # Errors
    /// It lies beyond [`SIZE_MAX`].
    pub fn empty(begin: u64) -> Result<Self, SizeError> {
        if begin > SIZE_MAX {
            return Err(SizeError(begin));
        }
        Ok(Self { begin, end: begin, hashes: Vec::new() })
    }

    /// The first `size` leaves of a tree, of which these hashes were kept.
    ///
    /// # Errors
    /// There are more or fewer hashes than so many leaves have, or too many leaves.
    pub fn from_hashes(size: u64, hashes: Vec<TreeHash>) -> Result<Self, RangeError> {
        if size > SIZE_MAX {
            return Err(SizeError(size).into());
        }
        let want = subtrees(0, size).count();
        if hashes.len() != want {
            return Err(RangeError::Length { size, got: hashes.len(), want });
        }
        Ok(Self { begin: 0, end: size, hashes })
    }

    /// Its first leaf.
    #[must_use]
    pub fn begin(&self) -> u64 {
        self.begin
    }

    /// The leaf after its last, which for a tree is the number of its leaves.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Its hashes, from left to right.
    #[must_use]
    pub fn hashes(&self) -> &[TreeHash] {
        &self.hashes
    }

    /// Adds a leaf.
    ///
    /// # Errors
    /// The ledger is full; see [`SIZE_MAX`]. The range is unchanged then.
    pub fn append(&mut self, leaf: TreeHash) -> Result<(), SizeError> {
        self.push(Subtree { level: 0, index: self.end }, leaf)
    }

    /// Adds the leaves of a range that begins where this one ends.
    ///
    /// # Errors
    /// It begins elsewhere. The range is unchanged then.
    pub fn merge(&mut self, later: &Self) -> Result<(), RangeError> {
        if later.begin != self.end {
            return Err(RangeError::Gap { end: self.end, begin: later.begin });
        }
        for (subtree, hash) in subtrees(later.begin, later.end).zip(&later.hashes) {
            self.push(subtree, *hash)?;
        }
        Ok(())
    }

    /// The head of the tree; none where the range has no leaves or does not begin at 0.
    #[must_use]
    pub fn head(&self) -> Option<TreeHead> {
        let root = root_of(&self.hashes).filter(|_| self.begin == 0)?;
        TreeHead::new(self.end, root).ok()
    }

    /// Adds the subtree that begins where the range ends. As long as it is the right half of a larger one whose left
    /// half is in the range, that half is the last hash.
    fn push(&mut self, subtree: Subtree, mut hash: TreeHash) -> Result<(), SizeError> {
        let end = self.end + (1 << subtree.level);
        if end > SIZE_MAX {
            return Err(SizeError(end));
        }
        let Subtree { mut level, mut index } = subtree;
        while index & 1 == 1 && (index - 1) << level >= self.begin {
            let Some(left) = self.hashes.pop() else { break };
            hash = TreeHash::of_children(&left, &hash);
            (level, index) = (level + 1, index >> 1);
        }
        self.hashes.push(hash);
        self.end = end;
        Ok(())
    }
}
