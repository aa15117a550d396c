//! The form of a sealed datagram, and its cipher.

use std::fmt;

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit, Nonce,
    aead::{AeadInOut, Tag},
};

use super::refusal::Refusal;
use crate::key::{ClusterKey, KeyId, Purpose};

/// Largest datagram of UDP over IPv4.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;
/// What sealing adds to a payload.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + SENT_AT_BYTES + TAG_BYTES;
/// Largest payload that goes in one datagram.
pub const PART_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - OVERHEAD_BYTES;
/// Largest payload.
pub const PAYLOAD_BYTES_MAX: usize = 2 * PART_BYTES_MAX;

/// ψ in UTF-8, g for gossip, and the version of the format. No datagram of chitchat starts so.
const MAGIC: [u8; 4] = [0xcf, 0x88, b'g', 1];
pub(super) const SESSION_BYTES: usize = 16;
pub(super) const HEADER_BYTES: usize = MAGIC.len() + KeyId::BYTES + SESSION_BYTES + 8 + 1;
pub(super) const SENT_AT_BYTES: usize = 8;
pub(super) const TAG_BYTES: usize = 16;

/// Which session of which key.
pub(super) type SessionId = (KeyId, [u8; SESSION_BYTES]);

/// What of a payload a datagram holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole = 0,
    First = 1,
    Second = 2,
}

/// What stands before the cipher text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) session: SessionId,
    pub(super) counter: u64,
    pub(super) part: Part,
}

/// The cipher of a session.
pub(super) struct Cipher(ChaCha20Poly1305);

impl Part {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Whole, Self::First, Self::Second].into_iter().find(|part| *part as u8 == byte)
    }
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let (key, session) = self.session;
        let mut bytes = [0; HEADER_BYTES];
        let fields = [&MAGIC[..], key.as_bytes(), &session, &self.counter.to_be_bytes(), &[self.part as u8]];
        let mut at = 0;
        for field in fields {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        }
        bytes
    }

    /// The header of a datagram, and what follows it: cipher text and tag.
    pub(super) fn split(datagram: &[u8]) -> Result<(Self, &[u8]), Refusal> {
        let rest = datagram.strip_prefix(&MAGIC).ok_or(Refusal::Unsealed)?;
        let (key, rest) = rest.split_first_chunk().ok_or(Refusal::Malformed)?;
        let (session, rest) = rest.split_first_chunk().ok_or(Refusal::Malformed)?;
        let (counter, rest) = rest.split_first_chunk().ok_or(Refusal::Malformed)?;
        let (part, rest) = rest.split_first().ok_or(Refusal::Malformed)?;
        let part = Part::from_byte(*part).ok_or(Refusal::Malformed)?;
        let header = Self { session: (KeyId::from_bytes(*key), *session), counter: u64::from_be_bytes(*counter), part };
        let has_room = (SENT_AT_BYTES + TAG_BYTES..=DATAGRAM_BYTES_MAX - HEADER_BYTES).contains(&rest.len());
        let has_first = part != Part::Second || header.counter > 0;
        if has_room && has_first { Ok((header, rest)) } else { Err(Refusal::Malformed) }
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        nonce.into()
    }
}

impl Cipher {
    pub(super) fn new(key: &ClusterKey, cluster: &str, session: &[u8; SESSION_BYTES]) -> Self {
        Self(ChaCha20Poly1305::new(&key.derive(Purpose::GossipSession, cluster, session).into()))
    }

    pub(super) fn encrypt(&self, header: &Header, text: &mut [u8]) -> [u8; TAG_BYTES] {
        let tag = self.0.encrypt_inout_detached(&header.nonce(), &header.to_bytes(), text.into());
        tag.expect("a datagram is far below the cipher's limit").into()
    }

    /// Whether it was sealed by this key; `text` is what was sealed then, and else as it was.
    pub(super) fn decrypt(&self, header: &Header, text: &mut [u8], tag: [u8; TAG_BYTES]) -> bool {
        let tag: Tag<ChaCha20Poly1305> = tag.into();
        self.0.decrypt_inout_detached(&header.nonce(), &header.to_bytes(), text.into(), &tag).is_ok()
    }
}

/// Without the key.
impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher")
    }
}
