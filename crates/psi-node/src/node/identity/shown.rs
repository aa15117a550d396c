//! What the other end of a connection has shown of itself.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderValue;
use psi_security::token::{TokenClaims, TokenRefusal};

use super::{
    caller::{AccessError, Caller, bearer},
    certificates::wall_s,
    keys::KeyMaterial,
};

/// What the other end of a connection has shown: a certificate, and the token of its latest call. Most calls show the
/// same token again, which is then not verified again.
#[derive(Clone)]
pub(crate) struct ShownIdentity {
    /// Who it is by its certificate, or the lack of one.
    pub(super) certified: Caller,
    latest: Arc<Mutex<Option<VerifiedToken>>>,
}

/// A token that was accepted.
struct VerifiedToken {
    authorization: HeaderValue,
    /// By these keys.
    material: Arc<KeyMaterial>,
    claims: Arc<TokenClaims>,
}

impl ShownIdentity {
    pub(crate) fn new(certified: Caller) -> Self {
        Self { certified, latest: Arc::default() }
    }

    /// The claims of a token, which `verify` verifies unless it was the latest, and is still valid by the same keys.
    pub(super) fn token(
        &self,
        authorization: &HeaderValue,
        material: &Arc<KeyMaterial>,
        verify: impl Fn(&str) -> Result<TokenClaims, TokenRefusal>,
    ) -> Result<Arc<TokenClaims>, AccessError> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*latest
            && known.authorization == *authorization
            && Arc::ptr_eq(&known.material, material)
            && wall_s() <= known.claims.not_after_s
        {
            return Ok(known.claims.clone());
        }
        let claims = Arc::new(verify(bearer(authorization.as_bytes())?)?);
        let (authorization, material) = (authorization.clone(), material.clone());
        *latest = Some(VerifiedToken { authorization, material, claims: claims.clone() });
        Ok(claims)
    }
}
