//! The shapes of answers: the keys of the original service first, in its order, then the new ones.
//!
//! Numbers are written in the fewest digits that read back to the same bits. Times are what the original service
//! gave: either seconds since the Unix epoch, or ISO 8601 text, here in UTC to the millisecond
//! (`2026-11-23T01:37:03.639Z`).

pub(super) mod drift;
pub(super) mod fields;
pub(super) mod guardian;
pub(super) mod intervention;
pub(super) mod members;
mod names;
pub(super) mod parameters;
pub(super) mod scores;
pub(super) mod state;
pub(super) mod step;
pub(super) mod times;
pub(super) mod versions;
