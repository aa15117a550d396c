//! What values of votes, checkpoints and the base are read with.

use std::collections::BTreeSet;

use crate::{
    entry::{
        digest::Digest,
        origin::{Origin, OriginError},
    },
    proto,
};

/// Above the number of any checkpoint, and the counter of any ballot: counting on never overflows.
pub(crate) const NUMBER_LIMIT: u64 = 1 << 48;
/// Most origins that end by one checkpoint: the vote that proposes them has to fit an entry.
pub(crate) const ENDS_MAX: usize = 256;

/// Why the value of a vote, or of the base, can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VoteError {
    #[error(transparent)]
    Message(#[from] prost::DecodeError),
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error("a hash of {0} bytes instead of 32")]
    Hash(usize),
    #[error("a checkpoint that ends {got} origins, at most {ENDS_MAX} are allowed")]
    Ends { got: usize },
    #[error("a number that no count reaches")]
    Number,
    #[error("a proposal of another checkpoint than was accepted")]
    Proposal,
    #[error("a part of it is missing")]
    Missing,
}

/// Reads a set of origins.
pub(super) fn origins(origins: Vec<proto::Origin>) -> Result<BTreeSet<Origin>, VoteError> {
    origins.into_iter().map(|origin| Ok(Origin::try_from(Some(origin))?)).collect()
}

/// Reads a hash of 32 bytes.
pub(super) fn digest(bytes: &[u8]) -> Result<Digest, VoteError> {
    Digest::from_bytes(bytes).ok_or(VoteError::Hash(bytes.len()))
}
