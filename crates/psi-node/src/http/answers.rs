//! The shapes of answers: the keys of the service of old first, in its order, then what is new.
//!
//! Numbers are written in the fewest digits that read back to the same bits. Where the old service gave seconds
//! since the Unix epoch, so does this one; where it gave ISO 8601 text, this one gives it in UTC to the millisecond
//! (`2026-11-23T01:37:03.639Z`).

pub(super) mod fields;
pub(super) mod guardian;
pub(super) mod intervention;
pub(super) mod parameters;
pub(super) mod scores;
pub(super) mod state;
pub(super) mod step;
pub(super) mod times;
