//! What the other end of a connection has shown of itself.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderValue;

use super::{
    caller::{AccessError, Caller, VerifiedToken, bearer},
    credentials::Credentials,
};

/// What the other end of a connection has shown: a certificate, and the token of its latest call. Most calls show the
/// same token again, which is then not verified again.
#[derive(Clone)]
pub(crate) struct ShownIdentity {
    /// Who it is by its certificate, or the lack of one.
    pub(super) certified: Caller,
    latest: Arc<Mutex<Option<LatestToken>>>,
}

/// A token, and what it was verified by.
struct LatestToken {
    token: Arc<VerifiedToken>,
    by: Arc<Credentials>,
}

impl ShownIdentity {
    pub(crate) fn new(certified: Caller) -> Self {
        Self { certified, latest: Arc::default() }
    }

    /// A token, which is verified unless it was the latest, and is still valid by the same credentials.
    pub(super) fn token(
        &self,
        authorization: &HeaderValue,
        credentials: &Arc<Credentials>,
        now_s: u64,
    ) -> Result<Arc<VerifiedToken>, AccessError> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(LatestToken { token, by }) = &*latest
            && token.authorization() == authorization
            && Arc::ptr_eq(by, credentials)
            && now_s <= token.claims.not_after_s
        {
            return Ok(token.clone());
        }
        let claims = credentials.verify(bearer(authorization.as_bytes())?, now_s)?;
        let token = Arc::new(VerifiedToken::new(authorization, claims));
        *latest = Some(LatestToken { token: token.clone(), by: credentials.clone() });
        Ok(token)
    }
}
