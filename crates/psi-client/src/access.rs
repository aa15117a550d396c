//! What a client shows to nodes, and which nodes it trusts.

use std::{
    fmt, io,
    sync::{Arc, PoisonError, RwLock},
};

use psi_security::{
    certificate::{NamePattern, ServerTrust, tls},
    token::{TokenRefusal, UnverifiedToken},
};
use rustls::{ClientConfig, time_provider::DefaultTimeProvider};
use tonic::metadata::{Ascii, MetadataValue};

use crate::authorities::AuthorityFile;

/// What a client shows to nodes: an access token, or nothing.
///
/// Clones share the token, and so do the connections that are made of them: [`Access::replace`] replaces it for all.
#[derive(Clone, Default)]
pub struct Access {
    /// `None`: the client shows nothing.
    token: Option<Arc<RwLock<Arc<AccessToken>>>>,
    /// Whom the client trusts in place of those that the token names. Without either, its connections have no TLS.
    authorities: Option<Arc<AuthorityFile>>,
}

/// A token, and what follows from it.
pub(crate) struct AccessToken {
    pub(crate) authorization: MetadataValue<Ascii>,
    /// Trusts nodes whose authority the token names.
    pub(crate) config: Arc<ClientConfig>,
    cluster: String,
}

/// Why a text can't be used as an access token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// No node would accept it.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    /// The client shows no token, so there is none to replace.
    #[error("a client that began without an access token goes on without one; start it again with the token")]
    NoTokenBefore,
    /// rustls can't be configured.
    #[error("can't configure TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl Access {
    /// What a token gives. Spaces around it are skipped. An empty text gives a client that shows nothing, as does a variable
    /// that is not set.
    ///
    /// # Errors
    /// [`AccessError::Token`] if the text is no access token. Whether nodes accept it, they say.
    pub fn of_token(text: &str) -> Result<Self, AccessError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let token = AccessToken::read(text)?;
        Ok(Self { token: Some(Arc::new(RwLock::new(Arc::new(token)))), authorities: None })
    }

    /// Shows another token from now on. Calls over open connections show it too, and new connections trust the nodes that
    /// it names. Returns whether it is another one than before.
    ///
    /// # Errors
    /// [`AccessError`] if the text is no access token, or there was none before. Then nothing is changed.
    pub fn replace(&self, text: &str) -> Result<bool, AccessError> {
        let shared = self.token.as_ref().ok_or(AccessError::NoTokenBefore)?;
        let token = AccessToken::read(text)?;
        let mut shown = shared.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = shown.authorization != token.authorization;
        if is_new {
            *shown = Arc::new(token);
        }
        Ok(is_new)
    }

    /// The same, which trusts the authorities of a file, and not those that its token names.
    #[must_use]
    pub fn trusting(self, authorities: AuthorityFile) -> Self {
        Self { authorities: Some(Arc::new(authorities)), ..self }
    }

    /// The cluster that the token is for.
    #[must_use]
    pub fn cluster(&self) -> Option<String> {
        Some(self.token()?.cluster.clone())
    }

    /// Whether connections have TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.token.is_some() || self.authorities.is_some()
    }

    /// How a node is dialled now.
    pub(crate) fn config(&self) -> io::Result<Arc<ClientConfig>> {
        match &self.authorities {
            Some(file) => file.config(),
            None => match self.token() {
                Some(token) => Ok(token.config.clone()),
                None => Err(io::Error::other("the client has no access token")),
            },
        }
    }

    /// The token as it is now.
    pub(crate) fn token(&self) -> Option<Arc<AccessToken>> {
        let shared = self.token.as_ref()?;
        Some(shared.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl AccessToken {
    fn read(text: &str) -> Result<Self, AccessError> {
        let text = text.trim();
        let token = UnverifiedToken::read(text)?;
        let claims = token.claims();
        let names = NamePattern::of_cluster(&claims.cluster);
        let trust = Arc::new(ServerTrust::authorities(claims.authorities.clone(), names));
        let config = tls::client_config(trust, None, &[b"h2"], Arc::new(DefaultTimeProvider))?;
        let authorization = format!("Bearer {text}").parse();
        let mut authorization: MetadataValue<Ascii> =
            authorization.map_err(|_| TokenRefusal::NoToken("it has a character that no token has"))?;
        authorization.set_sensitive(true);
        Ok(Self { authorization, config: Arc::new(config), cluster: claims.cluster.clone() })
    }
}

/// Without its token.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.token.is_some() { "Access(token)" } else { "Access(none)" })
    }
}

#[cfg(test)]
mod tests {
    use psi_security::{
        certificate::Authority,
        key::{ClusterKey, KeyRing},
        token::{Role, TokenClaims, TokenId},
    };

    use super::*;

    fn token(name: &str) -> String {
        let ring = KeyRing::from(ClusterKey::from_random([1; 32]));
        let claims = TokenClaims {
            id: TokenId::from_random([7; 8]),
            name: name.to_owned(),
            role: Role::Read,
            fields: Vec::new(),
            not_after_s: u64::MAX,
            authorities: vec![Authority::derive(ring.first(), "c").hash()],
            cluster: "c".to_owned(),
        };
        claims.issue(&ring).expect("a token")
    }

    fn shown(access: &Access) -> Option<String> {
        access.token().map(|token| token.authorization.to_str().expect("text").to_owned())
    }

    #[test]
    fn an_empty_text_shows_nothing_and_another_is_refused_unless_it_is_a_token() {
        for text in ["", " \n"] {
            assert_eq!(shown(&Access::of_token(text).expect("no token")), None, "{text:?}");
        }
        let text = token("a");
        assert_eq!(shown(&Access::of_token(&format!(" {text}\n")).expect("a token")), Some(format!("Bearer {text}")));
        for text in ["secret", "psi-token-", &text[..40]] {
            let refused = Access::of_token(text).expect_err("no token").to_string();
            assert!(refused.contains("no access token") && !refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn a_token_is_replaced_for_all_that_share_it_and_stays_if_the_new_one_is_none() {
        let (first, second) = (token("a"), token("b"));
        let access = Access::of_token(&first).expect("a token");
        let shared = access.clone();
        assert!(!access.replace(&format!("{first}\n")).expect("the same"));
        assert!(matches!(access.replace("no token"), Err(AccessError::Token(_))));
        assert_eq!(shown(&shared), Some(format!("Bearer {first}")));
        assert!(access.replace(&second).expect("another"));
        assert_eq!(shown(&shared), Some(format!("Bearer {second}")));
        assert!(matches!(Access::default().replace(&second), Err(AccessError::NoTokenBefore)));
    }

    #[test]
    fn the_token_is_in_no_debug_text() {
        let text = token("a");
        let access = Access::of_token(&text).expect("a token");
        let header = access.token().expect("a token").authorization.clone();
        let shown = format!("{access:?} {header:?}");
        assert!(!shown.contains(&text[..20]), "{shown}");
    }
}
