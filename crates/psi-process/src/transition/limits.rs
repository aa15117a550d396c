//! How large a transition may be.

/// Longest transition, in bytes. It fits into an entry of replicated state with room for what surrounds it.
pub const TRANSITION_BYTES_MAX: usize = 61_440;
/// Most pieces of evidence of a transition.
pub const TRANSITION_EVIDENCE_MAX: usize = 500;
