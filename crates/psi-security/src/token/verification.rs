//! Tokens are made from claims by who has the key, and verified by nodes.

use super::{
    claims::TokenClaims,
    encoding::{self, UnverifiedToken},
    error::ClaimsError,
    refusal::TokenRefusal,
    revocations::Revocations,
};
use crate::key::KeyRing;

impl TokenClaims {
    /// The token of these claims, signed by the first key of the ring.
    ///
    /// # Errors
    /// [`ClaimsError`] if no node would accept it.
    pub fn issue(&self, keys: &KeyRing) -> Result<String, ClaimsError> {
        self.check()?;
        let key = keys.first();
        Ok(encoding::write(&encoding::message(self, key.id()), key, &self.cluster))
    }

    /// The claims of a token, if a key of the ring signed it for this cluster, and it is neither over nor revoked.
    ///
    /// # Errors
    /// [`TokenRefusal`], with what mends it.
    pub fn verify(
        keys: &KeyRing,
        cluster: &str,
        now_s: u64,
        revoked: &Revocations,
        text: &str,
    ) -> Result<Self, TokenRefusal> {
        let token = UnverifiedToken::read(text)?;
        let claims = token.claims();
        if claims.cluster != cluster {
            let (shown, wanted) = (claims.cluster.clone(), cluster.to_owned());
            return Err(TokenRefusal::OtherCluster { token: claims.label(), shown, wanted });
        }
        let shown = token.key_id();
        let Some(key) = keys.find(shown) else {
            return Err(TokenRefusal::UnknownKey { token: claims.label(), shown, accepted: keys.ids() });
        };
        if !token.is_signed_by(key) {
            return Err(TokenRefusal::Forged { token: claims.label(), key: shown });
        }
        claims.check_validity(now_s, revoked)?;
        Ok(token.into_claims())
    }

    fn check_validity(&self, now_s: u64, revoked: &Revocations) -> Result<(), TokenRefusal> {
        if now_s > self.not_after_s {
            return Err(TokenRefusal::Expired {
                token: self.label(),
                role: self.role,
                fields: self.fields.clone(),
                not_after_s: self.not_after_s,
                now_s,
            });
        }
        match revoked.entry_for(self) {
            Some(entry) => Err(TokenRefusal::Revoked { token: self.label(), entry }),
            None => Ok(()),
        }
    }
}
