//! Seals what a node sends.

use super::datagram::{
    Cipher, HEADER_BYTES, Header, OVERHEAD_BYTES, PART_BYTES_MAX, PAYLOAD_BYTES_MAX, Part, SESSION_BYTES, SessionId,
};
use crate::key::{ClusterKey, KeyId};

/// Seals the payloads of one session.
#[derive(Debug)]
pub struct Sealer {
    session: SessionId,
    cipher: Cipher,
    next_counter: u64,
}

/// Why a payload was not sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// More than two datagrams hold.
    #[error("the payload has {got} bytes; two datagrams hold {PAYLOAD_BYTES_MAX}")]
    TooLong {
        /// Its length.
        got: usize,
    },
    /// The counter is at its end. Sealing on would share a nonce.
    #[error("the session has sealed all datagrams that it may; begin another")]
    Exhausted,
}

impl Sealer {
    /// Begins a session. Its bytes must be random: with a key, no two sessions may have the same.
    ///
    /// Begin another when the key changes.
    #[must_use]
    pub fn new(key: &ClusterKey, cluster: &str, session: [u8; SESSION_BYTES]) -> Self {
        Self { session: (key.id(), session), cipher: Cipher::new(key, cluster, &session), next_counter: 0 }
    }

    /// A session that has sealed so many datagrams.
    #[cfg(test)]
    pub(super) fn with_counter(self, next_counter: u64) -> Self {
        Self { next_counter, ..self }
    }

    /// By which key it seals.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.session.0
    }

    /// One datagram, or two if the payload is over [`PART_BYTES_MAX`]. Each has at most [`super::DATAGRAM_BYTES_MAX`].
    ///
    /// # Errors
    /// [`SealError`], and nothing was sealed.
    pub fn seal(&mut self, now_ms: u64, payload: &[u8]) -> Result<Vec<Vec<u8>>, SealError> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(SealError::TooLong { got: payload.len() });
        }
        if self.next_counter >= u64::MAX - 1 {
            return Err(SealError::Exhausted);
        }
        Ok(match payload.split_at_checked(PART_BYTES_MAX) {
            Some((first, second)) if !second.is_empty() => {
                vec![self.datagram(now_ms, Part::First, first), self.datagram(now_ms, Part::Second, second)]
            }
            _ => vec![self.datagram(now_ms, Part::Whole, payload)],
        })
    }

    fn datagram(&mut self, now_ms: u64, part: Part, payload: &[u8]) -> Vec<u8> {
        let header = Header { session: self.session, counter: self.next_counter, part };
        self.next_counter += 1;
        let mut datagram = Vec::with_capacity(OVERHEAD_BYTES + payload.len());
        datagram.extend_from_slice(&header.to_bytes());
        datagram.extend_from_slice(&now_ms.to_be_bytes());
        datagram.extend_from_slice(payload);
        let tag = self.cipher.encrypt(&header, &mut datagram[HEADER_BYTES..]);
        datagram.extend_from_slice(&tag);
        datagram
    }
}
