//! Digests: what lets two replicas find out that they disagree.
//!
//! The digest of a set of entries (or of origins' positions) is the sum modulo 2²⁵⁶ of BLAKE3 over each, so that it is kept up to date by
//! adding and subtracting (an incremental multiset hash in the manner of Bellare and Micciancio's AdHash). It
//! guards against faults, not against an adversary who chooses the entries.

use std::fmt;

use ethnum::U256;

use super::{
    key::Key,
    origin::{Origin, Version},
    scope::Scope,
};

/// A sum of entry hashes, or the hash of a frontier: 256 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(U256);

impl Digest {
    /// The digest of no entries.
    pub const ZERO: Self = Self(U256::ZERO);

    /// The hash of one entry. Every part is length-prefixed or of fixed size, so no two entries share a form.
    #[must_use]
    pub fn of_entry(origin: &Origin, key: &Key, version: Version, value: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        absorb_text(&mut hasher, origin.node.as_str());
        hasher.update(&origin.incarnation.to_le_bytes());
        absorb_scope(&mut hasher, &key.scope);
        hasher.update(&key.lane.0.to_le_bytes());
        hasher.update(&key.index.to_le_bytes());
        hasher.update(&version.0.to_le_bytes());
        hasher.update(value);
        Self::from(hasher)
    }

    /// The hash of one origin's position, a part of a frontier's.
    pub(crate) fn of_position(origin: &Origin, version: Version) -> Self {
        let mut hasher = blake3::Hasher::new();
        absorb_text(&mut hasher, origin.node.as_str());
        hasher.update(&origin.incarnation.to_le_bytes());
        hasher.update(&version.0.to_le_bytes());
        Self::from(hasher)
    }

    /// This digest with one more part.
    #[must_use]
    pub fn plus(self, part: Self) -> Self {
        Self(self.0.wrapping_add(part.0))
    }

    /// This digest without a part that it holds.
    #[must_use]
    pub fn minus(self, part: Self) -> Self {
        Self(self.0.wrapping_sub(part.0))
    }

    /// 32 bytes, little endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.to_le_bytes()
    }

    /// From 32 bytes; `None` if there are more or fewer.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(U256::from_le_bytes(bytes.try_into().ok()?)))
    }

    /// The first 8 bytes as a number: enough to tell two states apart in a log or on a screen.
    #[must_use]
    pub fn short(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.to_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl From<blake3::Hasher> for Digest {
    fn from(hasher: blake3::Hasher) -> Self {
        Self(U256::from_le_bytes(*hasher.finalize().as_bytes()))
    }
}

/// 64 hexadecimal digits, in the order of [`Digest::to_bytes`].
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.short().swap_bytes())
    }
}

fn absorb_text(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// The kind stands in the upper byte of the name's length, so that no two scopes share a form.
fn absorb_scope(hasher: &mut blake3::Hasher, scope: &Scope) {
    let (kind, name, epoch): (u64, &str, _) = match scope {
        Scope::Cluster => (0, "", None),
        Scope::Field(field) => (1, field.as_str(), None),
        Scope::Epoch(field, epoch) => (2, field.as_str(), Some(epoch)),
    };
    hasher.update(&(name.len() as u64 | (kind << 56)).to_le_bytes());
    hasher.update(name.as_bytes());
    if let Some(epoch) = epoch {
        hasher.update(&epoch.0.to_le_bytes());
    }
}
