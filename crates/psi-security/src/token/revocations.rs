//! Tokens that are no longer accepted, by name or by id: the file of the setting `security.revoked_file`.

use std::collections::BTreeSet;

use super::{claims::TokenClaims, label::TokenId};
use crate::text::{NAME_BYTES_MAX, is_name};

/// Names and ids of tokens that were revoked. A line of 16 hex digits is both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    names: BTreeSet<String>,
    ids: BTreeSet<TokenId>,
}

/// A line that can revoke nothing, so it is a mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line} of the file of revoked tokens is no name and no id of a token: a name has 1 to {NAME_BYTES_MAX} printable \
     characters of ASCII, an id 16 hex digits; each stands in a line of its own"
)]
pub struct RevocationError {
    /// Which line, from 1.
    pub line: usize,
}

impl Revocations {
    /// The tokens in the bytes of a file: a name or an id a line. Empty lines and lines that start with `#` are skipped, as
    /// in a key file.
    ///
    /// # Errors
    /// [`RevocationError`], of the first line that no token can be called.
    pub fn parse(file: &[u8]) -> Result<Self, RevocationError> {
        let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
        let lines = file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).zip(1..);
        let mut revocations = Self::default();
        for (text, line) in lines.filter(|(text, _)| !text.is_empty() && !text.starts_with(b"#")) {
            let entry = std::str::from_utf8(text).ok().filter(|text| is_name(text)).ok_or(RevocationError { line })?;
            revocations.ids.extend(TokenId::from_hex(entry));
            revocations.names.insert(entry.to_owned());
        }
        Ok(revocations)
    }

    /// The entries as they were given, in the order of their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The entry that revokes a token, if one does.
    pub(super) fn entry_for(&self, claims: &TokenClaims) -> Option<String> {
        let by_name = self.names.get(&claims.name).cloned();
        by_name.or_else(|| self.ids.get(&claims.id).map(ToString::to_string))
    }
}
