//! How long records may be, and what they may have.

/// Most pieces of evidence of a record. More are a list, which is one piece of evidence.
pub const EVIDENCE_MAX: usize = 64;
/// Longest record.
pub const RECORD_BYTES_MAX: usize = 16_384;
/// Longest body that is in its record. Records travel with the state; long bodies do not.
pub const INLINE_BODY_BYTES_MAX: usize = 1_024;
/// Longest body.
pub const BODY_BYTES_MAX: u64 = 16 << 20;
/// Longest name of a piece of evidence.
pub const EVIDENCE_NAME_BYTES_MAX: usize = 128;
