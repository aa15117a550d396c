//! What a token says, and within which bounds.

use super::{
    error::{ClaimsError, FIELDS_MAX},
    label::{TokenId, TokenLabel},
    role::Role,
};
use crate::{certificate::AuthorityHash, key::KeyRing, text::is_name};

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// Which token it is.
    pub id: TokenId,
    /// What people call it: 1 to [`super::NAME_BYTES_MAX`] printable characters of ASCII.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The fields that it is limited to; all where it is empty. An operator's has none.
    pub fields: Vec<String>,
    /// The last second at which it is valid, since 1970.
    pub not_after_s: u64,
    /// Hashes of the authorities that the certificates of nodes may come from: those of the ring it was made from.
    pub authorities: Vec<AuthorityHash>,
    /// The cluster that it is for.
    pub cluster: String,
}

impl TokenClaims {
    /// Whether the token may be used for a field. One that is limited to fields may not be used for what concerns all.
    #[must_use]
    pub fn covers(&self, field: &str) -> bool {
        self.fields.is_empty() || self.fields.iter().any(|listed| listed == field)
    }

    /// Which token it is, for people.
    #[must_use]
    pub fn label(&self) -> TokenLabel {
        TokenLabel { name: self.name.clone(), id: self.id }
    }

    /// Whether a token may say this.
    pub(super) fn check(&self) -> Result<(), ClaimsError> {
        check_name("name", &self.name)?;
        check_name("cluster", &self.cluster)?;
        self.fields.iter().try_for_each(|field| check_name("field", field))?;
        if self.fields.len() > FIELDS_MAX {
            return Err(ClaimsError::Fields { got: self.fields.len() });
        }
        if self.role == Role::Operator && !self.fields.is_empty() {
            return Err(ClaimsError::OperatorFields);
        }
        if !(1..=KeyRing::KEYS_MAX).contains(&self.authorities.len()) {
            return Err(ClaimsError::Authorities { got: self.authorities.len() });
        }
        Ok(())
    }
}

fn check_name(what: &'static str, name: &str) -> Result<(), ClaimsError> {
    if is_name(name) { Ok(()) } else { Err(ClaimsError::Name { what }) }
}
