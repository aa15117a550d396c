//! How tokens are told apart: by id, and by name for people.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;

use crate::text::hex;

/// Which token it is: 8 random bytes, shown as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; TokenId::BYTES]);

/// Which token an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenLabel {
    /// What people call it.
    pub name: String,
    /// Which one it is.
    pub id: TokenId,
}

impl TokenId {
    /// Bytes of an id.
    pub const BYTES: usize = 8;

    /// The id of these bytes, which must be random.
    #[must_use]
    pub fn from_random(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The id that 16 hex digits stand for.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex(&self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TokenLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.name, self.id)
    }
}
