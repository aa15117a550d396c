//! Why a token is not made.

use crate::{key::KeyRing, text::NAME_BYTES_MAX};

/// Most fields that a token can be limited to.
pub const FIELDS_MAX: usize = 16;

/// Why no token can say this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// A name that is empty, too long, or no line of visible ASCII.
    #[error("the {what} of an access token has 1 to {NAME_BYTES_MAX} printable characters of ASCII")]
    Name {
        /// Which name: `name`, `cluster` or `field`.
        what: &'static str,
    },
    /// A role that no version has.
    #[error("the role of an access token is `read`, `step` or `operator`")]
    Role,
    /// More fields than it can be limited to.
    #[error(
        "an access token is limited to at most {FIELDS_MAX} fields, not {got}; make several, or one for all fields"
    )]
    Fields {
        /// How many there are.
        got: usize,
    },
    /// An operator changes what belongs to no field.
    #[error("an access token of role `operator` is for all fields; leave the fields out, or choose `step` or `read`")]
    OperatorFields,
    /// No authority, or more than a ring has keys.
    #[error("an access token names 1 to {} authorities, not {got}", KeyRing::KEYS_MAX)]
    Authorities {
        /// How many there are.
        got: usize,
    },
}
