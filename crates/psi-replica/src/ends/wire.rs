//! What values of votes, checkpoints and the base are read with.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    entry::{
        digest::Digest,
        origin::{Origin, OriginError, Version},
    },
    proto,
};

/// Above the number of any checkpoint, and the counter of any ballot: counting on never overflows.
pub(crate) const NUMBER_LIMIT: u64 = 1 << 48;
/// Most origins that a value names with their versions: the vote that proposes their ends has to fit an entry.
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
    #[error("{got} origins with their versions, at most {ENDS_MAX} are allowed")]
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

/// An origin at a version.
pub(super) fn ended(origin: &Origin, version: Version) -> proto::EndedOrigin {
    proto::EndedOrigin { origin: Some(origin.into()), version: version.0, ended_ms: 0 }
}

/// Reads origins at versions, not too many.
pub(super) fn versions(ends: Vec<proto::EndedOrigin>) -> Result<BTreeMap<Origin, Version>, VoteError> {
    if ends.len() > ENDS_MAX {
        return Err(VoteError::Ends { got: ends.len() });
    }
    ends.into_iter().map(|end| Ok((Origin::try_from(end.origin)?, Version(end.version)))).collect()
}

/// Reads a hash of 32 bytes.
pub(super) fn digest(bytes: &[u8]) -> Result<Digest, VoteError> {
    Digest::from_bytes(bytes).ok_or(VoteError::Hash(bytes.len()))
}
