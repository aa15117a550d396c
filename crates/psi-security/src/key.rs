//! The cluster key: the one secret that all nodes of a cluster share, and what is derived from it.
//!
//! Who holds it is any node, and may do anything. It never travels, and errors never show it.

mod ring;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroize;

pub use ring::{KeyFileError, KeyRing};

use crate::text::hex;

/// What the text of a key starts with.
const PREFIX: &str = "psi-key-";
/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes that a typo changes.
const CHECKSUM_BYTES: usize = 4;
/// Characters of a key's text. 36 bytes are 48 characters without a bit left over, so each key has one text.
const TEXT_BYTES: usize = PREFIX.len() + (KEY_BYTES + CHECKSUM_BYTES) / 3 * 4;

/// What can be derived from a key. Each purpose has a context of its own, so none tells anything of another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    GossipSession,
    Token,
    Authority,
}

impl Purpose {
    fn context(self) -> &'static str {
        match self {
            Self::GossipSession => "psi-field v1 gossip session",
            Self::Token => "psi-field v1 access token",
            Self::Authority => "psi-field v1 certificate authority",
        }
    }
}

/// A secret of 32 bytes that a cluster shares. It is overwritten when it is dropped.
#[derive(Clone)]
pub struct ClusterKey([u8; KEY_BYTES]);

/// Which key it is, without a hint of what it is. Datagrams and tokens carry it in the clear.
///
/// It doesn't depend on the cluster's name, so that `psi-field key` can show it of a file alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KeyId::BYTES]);

/// Why a text is no key. It never holds anything of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTextError {
    /// It doesn't start as keys do.
    #[error("a key starts with `{PREFIX}`")]
    Prefix,
    /// It is cut, or more follows.
    #[error("a key has {TEXT_BYTES} characters, this has {got}")]
    Length {
        /// How many it has.
        got: usize,
    },
    /// It has another character.
    #[error("a key has only A-Z a-z 0-9 - _ after `{PREFIX}`")]
    Character,
    /// One or more characters differ from those that were made.
    #[error("its checksum is wrong: a character was mistyped or lost")]
    Checksum,
}

impl ClusterKey {
    /// The key of these bytes, which must come from a generator made for secrets.
    #[must_use]
    pub fn from_random(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Which key it is.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(first(&blake3::derive_key("psi-field v1 key id", &self.0)))
    }

    /// A secret for one purpose of one cluster. The cluster's name comes with its length, so no two inputs are alike.
    pub(crate) fn derive(&self, purpose: Purpose, cluster: &str, material: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(purpose.context());
        hasher.update(&self.0);
        hasher.update(&(cluster.len() as u64).to_le_bytes());
        hasher.update(cluster.as_bytes());
        hasher.update(material);
        *hasher.finalize().as_bytes()
    }

    fn checksum(&self) -> [u8; CHECKSUM_BYTES] {
        first(&blake3::derive_key("psi-field v1 key checksum", &self.0))
    }
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    std::array::from_fn(|at| hash[at])
}

impl Drop for ClusterKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// In constant time.
impl PartialEq for ClusterKey {
    fn eq(&self, other: &Self) -> bool {
        blake3::Hash::from_bytes(self.0) == blake3::Hash::from_bytes(other.0)
    }
}

impl Eq for ClusterKey {}

/// Only its id.
impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterKey({})", self.id())
    }
}

/// The secret itself, as it stands in a key file.
impl fmt::Display for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; KEY_BYTES + CHECKSUM_BYTES];
        bytes[..KEY_BYTES].copy_from_slice(&self.0);
        bytes[KEY_BYTES..].copy_from_slice(&self.checksum());
        write!(f, "{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromStr for ClusterKey {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let encoding = text.strip_prefix(PREFIX).ok_or(KeyTextError::Prefix)?;
        if !text.is_ascii() {
            return Err(KeyTextError::Character);
        }
        if text.len() != TEXT_BYTES {
            return Err(KeyTextError::Length { got: text.len() });
        }
        let bytes = BASE64URL_NOPAD.decode(encoding.as_bytes()).map_err(|_| KeyTextError::Character)?;
        let (key, checksum) = bytes.split_first_chunk::<KEY_BYTES>().ok_or(KeyTextError::Character)?;
        let key = Self(*key);
        if key.checksum() == *checksum { Ok(key) } else { Err(KeyTextError::Checksum) }
    }
}

impl KeyId {
    /// Bytes of an id.
    pub const BYTES: usize = 8;

    /// The id of these bytes, as a datagram or a token shows it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// 16 hex digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
