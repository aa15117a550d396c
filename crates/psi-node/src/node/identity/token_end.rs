//! The end of a token while a call is open that was let in by it.

use std::{future::Future, sync::Arc, time::Duration};

use super::{
    Identity,
    caller::{AccessError, Caller, VerifiedToken, bearer},
};

/// A clock that is set is noticed within this time.
const LOOK: Duration = Duration::from_secs(5);

impl Identity {
    /// Resolves with the reason once the token of a caller is accepted no longer: it has expired, it was revoked, or its
    /// key has gone. `None` for a caller without one.
    pub(crate) fn token_end(
        self: &Arc<Self>,
        caller: &Caller,
    ) -> Option<impl Future<Output = AccessError> + Send + 'static + use<>> {
        let Caller::Token(token) = caller else { return None };
        let (identity, token) = (self.clone(), token.clone());
        let mut credentials = self.subscribe()?;
        Some(async move {
            loop {
                credentials.mark_unchanged();
                let left = match identity.left_of(&token) {
                    Ok(left) => left,
                    Err(error) => return error,
                };
                tokio::select! {
                    // The identity is held here, so its sender is.
                    _ = credentials.changed() => {}
                    () = tokio::time::sleep(left.min(LOOK)) => {}
                }
            }
        })
    }

    /// How long a token is still valid, if it is accepted now.
    fn left_of(&self, token: &VerifiedToken) -> Result<Duration, AccessError> {
        let now_s = self.clock.now_s();
        if let Some(credentials) = self.credentials() {
            credentials.verify(bearer(token.authorization().as_bytes())?, now_s)?;
        }
        Ok(Duration::from_secs(token.claims.not_after_s.saturating_sub(now_s).saturating_add(1)))
    }
}
