//! Access tokens: what a client may do, signed by a cluster key, and verified by any node without a list of tokens.
//!
//! ```text
//! psi-token-<base64url(message | MAC 32)>
//! ```
//!
//! The message is protobuf and names the key, so a node can say which one it lacks. The MAC is BLAKE3's, by a key
//! derived for tokens of that cluster. A token also carries hashes of the authorities that the nodes' certificates may
//! come from, so that a client needs one string. Anyone can read a token; without a key, nobody can make or change one.

mod claims;
mod encoding;
mod error;
mod label;
mod refusal;
mod revocations;
mod role;
#[cfg(test)]
mod tests;
mod verification;

pub use claims::TokenClaims;
pub use encoding::{TEXT_BYTES_MAX, UnverifiedToken};
pub use error::{ClaimsError, FIELDS_MAX};
pub use label::{TokenId, TokenLabel};
pub use refusal::TokenRefusal;
pub use revocations::{RevocationError, Revocations};
pub use role::Role;

pub use crate::text::NAME_BYTES_MAX;
