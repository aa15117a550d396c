//! Deltas: how one origin's entries cross a link in frames, without the receiver ever holding half a state.
//!
//! Plain Scuttlebutt (van Renesse et al., 2008) may cut a delta and apply the part that arrived, which loses entries that are
//! overwritten between the cut and the rest. Here a delta is frozen when it begins, staged where it arrives, and applied
//! at once when it is whole. Left out: when to begin one, and what to do with the result.

pub(crate) mod frame;
pub(crate) mod outgoing;
pub(crate) mod refusal;
pub(crate) mod staged;

use crate::entry::NUMBERS_BYTES_MAX;

/// Most bytes of entries in one frame, unless a single entry has more.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Most entries in one frame, by the size that [`crate::Entry`] has in a frame.
pub(crate) const ENTRIES_PER_FRAME: usize = FRAME_BYTES_MAX / NUMBERS_BYTES_MAX;

/// Largest encoded frame: a full load of entries, or one entry, and what goes around them.
pub const FRAME_ENCODED_MAX: usize = FRAME_BYTES_MAX + 128 * 1024;
