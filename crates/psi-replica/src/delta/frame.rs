//! Frames as they come off a wire: bounded before they are decoded, since two bytes of an empty message take a hundred
//! in memory.

use bytes::Bytes;
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

use super::{ENTRIES_PER_FRAME, FRAME_ENCODED_MAX};
use crate::{links::ORIGINS_PER_FRAME, proto::Frame};

/// Why bytes are no frame.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Longer than any frame may be.
    #[error("{got} bytes, at most {FRAME_ENCODED_MAX} are allowed")]
    TooLong {
        /// Its length.
        got: usize,
    },
    /// More entries, origins or moves than a frame may have.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// Most of them.
        limit: usize,
    },
    /// Not what `link.proto` describes.
    #[error("{0}")]
    Malformed(#[from] DecodeError),
}

/// Field numbers of `link.proto` under which a list stands.
mod number {
    pub(super) const UPDATE: u32 = 3;
    pub(super) const UPDATE_ORIGINS: u32 = 2;
    pub(super) const UPDATE_MOVED: u32 = 3;
    pub(super) const UPDATE_MOVED_BY_ONE: u32 = 4;
    pub(super) const DELTA: u32 = 5;
    pub(super) const DELTA_ENTRIES: u32 = 8;
}

/// Decodes a frame. What that takes in memory is bounded by a few times the longest frame, whatever the bytes are.
///
/// # Errors
/// [`FrameError`] if they are no frame, or one that no replica makes.
pub fn decode_frame(bytes: Bytes) -> Result<Frame, FrameError> {
    if bytes.len() > FRAME_ENCODED_MAX {
        return Err(FrameError::TooLong { got: bytes.len() });
    }
    let (mut lists, mut rest) = (Lists::default(), bytes.clone());
    while !rest.is_empty() {
        match decode_key(&mut rest)? {
            (number @ (number::DELTA | number::UPDATE), WireType::LengthDelimited) => {
                let length = usize::try_from(decode_varint(&mut rest)?).unwrap_or(usize::MAX);
                // One that is cut is found out by the decoder.
                lists.add(number, rest.split_to(length.min(rest.len())))?;
            }
            (number, wire) => skip_field(wire, number, &mut rest, DecodeContext::default())?,
        }
    }
    Ok(Frame::decode(bytes)?)
}

/// How long the lists of a frame are. Bodies that come more than once are merged by the decoder, and so counted as one.
#[derive(Default)]
struct Lists {
    entries: usize,
    origins: usize,
    moves: usize,
}

impl Lists {
    fn add(&mut self, body: u32, mut rest: Bytes) -> Result<(), FrameError> {
        while !rest.is_empty() {
            let (number, wire) = decode_key(&mut rest)?;
            let before = rest.len();
            skip_field(wire, number, &mut rest, DecodeContext::default())?;
            // Each number takes a byte at least, one by one or packed.
            let bytes = before - rest.len();
            match (body, number) {
                (number::DELTA, number::DELTA_ENTRIES) => self.entries += 1,
                (number::UPDATE, number::UPDATE_ORIGINS) => self.origins += 1,
                (number::UPDATE, number::UPDATE_MOVED | number::UPDATE_MOVED_BY_ONE) => self.moves += bytes,
                _ => {}
            }
            self.check()?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), FrameError> {
        /// A number of an origin and by how much it moved, at their longest; the rest is for the lengths of lists.
        const MOVE_BYTES_MAX: usize = 21;
        for (what, got, limit) in [
            ("entries", self.entries, ENTRIES_PER_FRAME),
            ("origins", self.origins, ORIGINS_PER_FRAME),
            ("bytes of moves", self.moves, ORIGINS_PER_FRAME * MOVE_BYTES_MAX),
        ] {
            if got > limit {
                return Err(FrameError::TooMany { what, limit });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{self, Delta, FrontierUpdate, Origin, frame::Body};

    fn decoded(body: Body) -> Result<Frame, FrameError> {
        decode_frame(Frame { body: Some(body) }.encode_to_vec().into())
    }

    #[test]
    fn the_fullest_frames_are_taken_and_fuller_ones_refused() {
        let delta =
            |entries| Body::Delta(Delta { entries: vec![proto::Entry::default(); entries], ..Delta::default() });
        let update = |origins, moves| {
            let (origins, moved) = (vec![Origin::default(); origins], vec![u64::MAX; 2 * moves]);
            Body::FrontierUpdate(FrontierUpdate { origins, moved, ..FrontierUpdate::default() })
        };
        for full in [delta(ENTRIES_PER_FRAME), update(ORIGINS_PER_FRAME, ORIGINS_PER_FRAME)] {
            assert_eq!(decoded(full.clone()).unwrap().body, Some(full));
        }
        for fuller in [delta(ENTRIES_PER_FRAME + 1), update(ORIGINS_PER_FRAME + 1, 1), update(1, 2 * ORIGINS_PER_FRAME)]
        {
            assert!(matches!(decoded(fuller), Err(FrameError::TooMany { .. })));
        }
    }
}
