//! A file as its parts, so that tests change it as one who knows the format would.

use prost::Message;
use psi_ledger::proto::{Export, Part, Trailer, part};
use sha2::{Digest, Sha256};

/// Where a part is in a file: its first byte, and the one after its last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) begin: usize,
    pub(crate) end: usize,
}

/// The parts of a file that is whole, but for the trailer.
pub(crate) fn parts(bytes: &[u8]) -> Vec<part::Part> {
    let export = Export::decode(bytes).unwrap();
    let mut parts: Vec<_> = export.parts.into_iter().map(|part| part.part.unwrap()).collect();
    assert!(matches!(parts.pop(), Some(part::Part::Trailer(_))));
    parts
}

/// The file of these parts, with a trailer that fits.
pub(crate) fn file(parts: &[part::Part]) -> Vec<u8> {
    let wrap = |part: &part::Part| Part { part: Some(part.clone()) };
    let bytes = Export { parts: parts.iter().map(wrap).collect() }.encode_to_vec();
    with_trailer(&bytes, parts.len())
}

/// Adds a trailer that fits.
pub(crate) fn with_trailer(bytes: &[u8], parts: usize) -> Vec<u8> {
    let trailer = Trailer { parts: parts as u64, sha256: Sha256::digest(bytes).to_vec() };
    let part = Part { part: Some(part::Part::Trailer(trailer)) };
    [bytes, &Export { parts: vec![part] }.encode_to_vec()].concat()
}

/// Where the parts are, by the rule that a reader in any language would follow: a byte, a length, and as many bytes.
pub(crate) fn spans(bytes: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut begin = 0;
    while begin < bytes.len() {
        let mut rest = &bytes[begin + 1..];
        let length = prost::encoding::decode_varint(&mut rest).unwrap();
        let end = bytes.len() - rest.len() + usize::try_from(length).unwrap();
        spans.push(Span { begin, end });
        begin = end;
    }
    spans
}
