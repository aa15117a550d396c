//! Why a record was not written, or not taken.

use super::limits::{BODY_BYTES_MAX, EVIDENCE_MAX, EVIDENCE_NAME_BYTES_MAX, INLINE_BODY_BYTES_MAX, RECORD_BYTES_MAX};

/// Why a record was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordRefusal {
    /// Longer than any record.
    #[error("a record has at most {RECORD_BYTES_MAX} bytes, and this has {0}; keep what is long beside it, by hash")]
    Length(usize),
    /// Not the encoding of a record, or another encoding than the one it has.
    #[error("the bytes are no record, or are not written as this version writes records; take another copy")]
    Malformed,
    /// Kind 0, or below.
    #[error("{0} is no kind of record; kinds are numbers from 1")]
    Kind(i32),
    /// A kind of this version that is written as one of a later version.
    #[error("kind {0} has a name in this version; use that")]
    LaterKind(i32),
    /// An inline body that is too long.
    #[error("a body of {0} bytes is kept beside its record, by hash; up to {INLINE_BODY_BYTES_MAX} are in it")]
    InlineBody(usize),
    /// A body by hash that is short enough to be in the record, or too long for any.
    #[error("a body by hash has {INLINE_BODY_BYTES_MAX} to {BODY_BYTES_MAX} bytes, and this is to have {0}")]
    LongBody(u64),
    /// A body, and a hash of a body.
    #[error("a record has a body or the hash of one, and this has both")]
    TwoBodies,
    /// Too much evidence.
    #[error("a record has at most {EVIDENCE_MAX} pieces of evidence, and this has {0}; list them in one piece")]
    EvidenceCount(usize),
    /// A name of evidence that no line can show.
    #[error(
        "`{}` is no name of evidence: 1 to {EVIDENCE_NAME_BYTES_MAX} bytes without control characters",
        .0.escape_debug()
    )]
    EvidenceName(String),
    /// A hash of another length, or none.
    #[error("a hash has 32 bytes, and this has {0}")]
    Hash(usize),
    /// Neither a node nor the holder of a token.
    #[error("an actor is a node or the holder of a token: {0}")]
    Actor(&'static str),
}
