//! How a file is cut into parts: it is one message, whose only field is repeated. So each part is a byte for the field,
//! the number of the part's bytes, and these.

use prost::encoding::{decode_varint, encoded_len_varint};

use super::{
    finding::{Fault, Findings, Place, Subject},
    format::PART_TAG,
};
use crate::{
    canonical,
    proto::{self, part::Part},
};

/// The field's number, with the wire type of messages.
const FIELD: u8 = 0x0a;
const _: () = assert!(FIELD as u32 == (PART_TAG << 3) | 2, "as protobuf writes it");

/// A part, and where it begins.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) offset: u64,
    /// `None` if it can't be read.
    pub(super) part: Option<Part>,
}

/// All parts up to the end, or up to where nothing can be read.
pub(super) fn read(bytes: &[u8], findings: &mut Findings) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut rest = bytes;
    while let Some((field, after)) = rest.split_first() {
        let offset = (bytes.len() - rest.len()) as u64;
        let place = Place::at(Subject::File, offset);
        let is_over = matches!(frames.last(), Some(Frame { part: Some(Part::Trailer(_)), .. }));
        let fault = |fault| if is_over { Fault::TrailingBytes } else { fault };
        if *field != FIELD {
            let detail = format!("no part begins with byte {field:#04x}, and nothing after it was read");
            findings.add(fault(Fault::Malformed), place, detail);
            return frames;
        }
        let Some((content, next)) = content(after) else {
            let detail =
                "the file ends within this part, or the number of its bytes is not written in the shortest way";
            findings.add(fault(Fault::TailCut), place, detail);
            return frames;
        };
        frames.push(Frame { offset, part: canonical::decode(content).and_then(|part: proto::Part| part.part) });
        rest = next;
    }
    frames
}

/// The bytes of a part, and those after it.
fn content(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = bytes;
    let length = decode_varint(&mut rest).ok()?;
    if bytes.len() - rest.len() != encoded_len_varint(length) {
        return None;
    }
    rest.split_at_checked(usize::try_from(length).ok()?)
}
