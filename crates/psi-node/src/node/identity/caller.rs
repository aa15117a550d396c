//! Who calls, and what they may do.

use std::sync::Arc;

use axum::http::HeaderValue;
use psi_api::Cause;
use psi_replica::NodeId;
use psi_security::token::{Role, TokenClaims, TokenLabel, TokenRefusal};
use tonic::Code;

use super::needs::Requirement;

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// The cluster has no key, so anyone may do anything.
    Anyone,
    /// Has shown neither a token nor a certificate.
    Stranger,
    /// A node of the cluster, by its certificate.
    Node(NodeId),
    /// Holds an access token.
    Token(Arc<VerifiedToken>),
}

/// A token that was accepted, as it was shown.
#[derive(Debug)]
pub(crate) struct VerifiedToken {
    /// Marked as secret.
    authorization: HeaderValue,
    pub(super) claims: TokenClaims,
}

impl VerifiedToken {
    pub(super) fn new(authorization: &HeaderValue, claims: TokenClaims) -> Self {
        let mut authorization = authorization.clone();
        authorization.set_sensitive(true);
        Self { authorization, claims }
    }

    /// Which token it is.
    pub(crate) fn label(&self) -> TokenLabel {
        self.claims.label()
    }

    /// What its holder may do.
    pub(crate) fn role(&self) -> Role {
        self.claims.role
    }

    pub(super) fn authorization(&self) -> &HeaderValue {
        &self.authorization
    }
}

/// Why a call is not allowed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// Nothing was shown.
    #[error(
        "this needs an access token of role `{wanted}`: make one with `psi-field token --role {wanted} --name NAME`, and \
         send it as `authorization: Bearer TOKEN`, or give it to psi-field as --token or PSI_TOKEN"
    )]
    Missing { wanted: &'static str },
    /// What was shown is no bearer token.
    #[error("`authorization` is to be `Bearer TOKEN`, with a token of `psi-field token`")]
    NoBearer,
    /// The token is not accepted.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    /// The token is accepted, and its role is too low.
    #[error(
        "the access token {label} has role `{shown}`, and this needs `{wanted}`; make one with \
         `psi-field token --role {wanted} --name NAME`"
    )]
    Role { label: String, shown: Role, wanted: &'static str },
    /// The token is for some fields, and this concerns another, or all.
    #[error("the access token {label} is for {}, and this concerns {what}; make one for that, or one without --field", list(.fields))]
    Field { label: String, fields: Vec<String>, what: String },
    /// Only nodes may, by their certificate.
    #[error("only a node of the cluster may call this, by a node's certificate; this is {shown}")]
    NoNode { shown: String },
}

fn list(fields: &[String]) -> String {
    fields.iter().map(|field| format!("field `{field}`")).collect::<Vec<_>>().join(", ")
}

/// The token in an `authorization` header.
pub(super) fn bearer(authorization: &[u8]) -> Result<&str, AccessError> {
    let text = std::str::from_utf8(authorization).map_err(|_| AccessError::NoBearer)?;
    let (scheme, token) = text.split_once(' ').ok_or(AccessError::NoBearer)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(AccessError::NoBearer) }
}

impl Caller {
    /// Whether the caller may do what needs this.
    ///
    /// # Errors
    /// [`AccessError`] with what was shown, what is wanted, and the way there.
    pub(crate) fn check(&self, need: Requirement) -> Result<(), AccessError> {
        match (need, self) {
            (Requirement::Nothing, _) | (_, Self::Anyone) | (Requirement::Node, Self::Node(_)) => Ok(()),
            (Requirement::Node, caller) => Err(AccessError::NoNode { shown: caller.to_string() }),
            (Requirement::Role(_) | Requirement::Whole(_), Self::Node(_)) => Ok(()),
            (Requirement::Role(wanted) | Requirement::Whole(wanted), Self::Stranger) => {
                Err(AccessError::Missing { wanted: wanted.name() })
            }
            (Requirement::Role(wanted) | Requirement::Whole(wanted), Self::Token(token))
                if !token.claims.role.allows(wanted) =>
            {
                let (label, shown) = (token.claims.label().to_string(), token.claims.role);
                Err(AccessError::Role { label, shown, wanted: wanted.name() })
            }
            (Requirement::Whole(_), Self::Token(token)) if !token.claims.fields.is_empty() => Err(AccessError::Field {
                label: token.claims.label().to_string(),
                fields: token.claims.fields.clone(),
                what: "all fields".to_owned(),
            }),
            (Requirement::Role(_) | Requirement::Whole(_), Self::Token(_)) => Ok(()),
        }
    }

    /// Whether the caller may use a field. Who may use a model may use all its versions, and nobody a version alone.
    ///
    /// # Errors
    /// [`AccessError::Field`] if its token is for others.
    pub(crate) fn check_field(&self, field: &str) -> Result<(), AccessError> {
        let field = field.split_once('@').map_or(field, |(model, _)| model);
        match self {
            Self::Token(token) if !token.claims.covers(field) => Err(AccessError::Field {
                label: token.claims.label().to_string(),
                fields: token.claims.fields.clone(),
                what: format!("field `{}`", field.chars().take(64).collect::<String>()),
            }),
            _ => Ok(()),
        }
    }
}

/// Who it is, for logs.
impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anyone => write!(f, "anyone"),
            Self::Stranger => write!(f, "a caller without token and certificate"),
            Self::Node(node) => write!(f, "node {node}"),
            Self::Token(token) => write!(f, "token {} of role {}", token.claims.label(), token.claims.role),
        }
    }
}

impl From<AccessError> for Cause {
    fn from(error: AccessError) -> Self {
        let (code, reason) = match &error {
            AccessError::Missing { .. } => (Code::Unauthenticated, "ACCESS_TOKEN_MISSING"),
            AccessError::NoBearer | AccessError::Token(_) => (Code::Unauthenticated, "ACCESS_TOKEN_REFUSED"),
            AccessError::Role { .. } => (Code::PermissionDenied, "ROLE_TOO_LOW"),
            AccessError::Field { .. } => (Code::PermissionDenied, "FIELD_NOT_ALLOWED"),
            AccessError::NoNode { .. } => (Code::PermissionDenied, "NOT_A_NODE"),
        };
        Cause::new(code, reason, error)
    }
}
