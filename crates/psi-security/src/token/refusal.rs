//! Why a token is not accepted.

use super::{error::ClaimsError, label::TokenLabel, role::Role};
use crate::{
    key::KeyId,
    text::{list, moment, shell_word},
};

/// Why a token was refused. Names in it are what the token claims, and each is a short line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRefusal {
    /// The text is no token. It is not shown, as it may be another secret.
    #[error("this is no access token: {0}; make one with `psi-field token`")]
    NoToken(&'static str),
    /// It says what no token may.
    #[error("the access token can't be used: {0}; make one with `psi-field token`")]
    Claims(#[from] ClaimsError),
    /// It is for another cluster.
    #[error("the access token {token} is for cluster `{shown}`, and this is `{wanted}`; use a token of `{wanted}`")]
    OtherCluster {
        /// Which token.
        token: TokenLabel,
        /// Its cluster.
        shown: String,
        /// The node's.
        wanted: String,
    },
    /// No key of the ring signed it.
    #[error(
        "the access token {token} is signed by key {shown}, and this node accepts {}; \
         make a new one with `psi-field token` from the key file of this cluster",
        list(.accepted)
    )]
    UnknownKey {
        /// Which token.
        token: TokenLabel,
        /// By which key it claims to be signed.
        shown: KeyId,
        /// The node's.
        accepted: Vec<KeyId>,
    },
    /// It names a key of the ring that did not sign it.
    #[error(
        "the access token {token} claims to be signed by key {key} and is not: it was changed; \
         copy it again, or make a new one with `psi-field token`"
    )]
    Forged {
        /// Which token it claims to be.
        token: TokenLabel,
        /// By which key it claims to be signed.
        key: KeyId,
    },
    /// It is over.
    #[error(
        "the access token {token} expired at {}, and it is {}; make a new one with `{}`",
        moment(*.not_after_s), moment(*.now_s), command(token, *.role, fields)
    )]
    Expired {
        /// Which token.
        token: TokenLabel,
        /// Its role.
        role: Role,
        /// Its fields.
        fields: Vec<String>,
        /// The last second at which it was valid.
        not_after_s: u64,
        /// The node's time.
        now_s: u64,
    },
    /// It is listed.
    #[error(
        "the access token {token} is revoked by `{entry}` in the file of security.revoked_file; \
         make one with another name with `psi-field token`"
    )]
    Revoked {
        /// Which token.
        token: TokenLabel,
        /// By which entry.
        entry: String,
    },
}

impl TokenRefusal {
    /// All reasons, for metrics.
    pub const REASONS: [&'static str; 7] =
        ["no_token", "claims", "other_cluster", "unknown_key", "forged", "expired", "revoked"];

    /// The reason in a word, for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoToken(_) => "no_token",
            Self::Claims(_) => "claims",
            Self::OtherCluster { .. } => "other_cluster",
            Self::UnknownKey { .. } => "unknown_key",
            Self::Forged { .. } => "forged",
            Self::Expired { .. } => "expired",
            Self::Revoked { .. } => "revoked",
        }
    }
}

/// The command that makes such a token.
fn command(token: &TokenLabel, role: Role, fields: &[String]) -> String {
    let fields: String = fields.iter().map(|field| format!(" --field {}", shell_word(field))).collect();
    format!("psi-field token --role {role} --name {}{fields}", shell_word(&token.name))
}
