//! Tokens that are no longer accepted, by name or by id: the setting `security.revoked`.

use std::collections::BTreeSet;

use super::{claims::TokenClaims, label::TokenId};
use crate::text::{NAME_BYTES_MAX, is_name};

/// Names and ids of tokens that were revoked. An entry of 16 hex digits is both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    names: BTreeSet<String>,
    ids: BTreeSet<TokenId>,
}

/// An entry that can revoke nothing, so it is a mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "entry {place} of `security.revoked` is no name and no id of a token: a name has 1 to {NAME_BYTES_MAX} printable \
     characters of ASCII, an id 16 hex digits"
)]
pub struct RevocationError {
    /// Which entry, from 1.
    pub place: usize,
}

impl Revocations {
    /// The tokens of these names and ids.
    ///
    /// # Errors
    /// [`RevocationError`], of the first entry that no token can be called.
    pub fn new<E: AsRef<str>>(entries: impl IntoIterator<Item = E>) -> Result<Self, RevocationError> {
        let mut revocations = Self::default();
        for (entry, place) in entries.into_iter().zip(1..) {
            let entry = entry.as_ref();
            if !is_name(entry) {
                return Err(RevocationError { place });
            }
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
