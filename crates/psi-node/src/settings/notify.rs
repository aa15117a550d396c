//! Who is told what happens to models.

use std::{fmt, path::PathBuf, str::FromStr};

use axum::http::Uri;

/// Who is told what happens to models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// Where events are posted; `None`: nowhere.
    pub webhook: Option<Webhook>,
    /// The file of the secret that posts are signed with.
    pub secret_file: Option<PathBuf>,
    /// The file of the authorities that the webhook's certificate may come from.
    pub ca: PathBuf,
}

impl Default for Notify {
    fn default() -> Self {
        // Debian and Alpine have it there.
        Self { webhook: None, secret_file: None, ca: PathBuf::from("/etc/ssl/certs/ca-certificates.crt") }
    }
}

/// An address that events are posted to: `http` or `https`, with a host.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook(Uri);

/// A text that is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("takes an address such as https://hooks.example/psi-field")]
pub struct WebhookError;

impl Webhook {
    /// The whole address, as settings have it.
    #[must_use]
    pub fn address(&self) -> String {
        self.0.to_string()
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }
}

/// Its host: the rest may be as good as a password.
impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.0.scheme_str().unwrap_or_default(), self.0.authority());
        write!(f, "{scheme}://{}", host.map(ToString::to_string).unwrap_or_default())
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({self})")
    }
}

impl FromStr for Webhook {
    type Err = WebhookError;

    fn from_str(text: &str) -> Result<Self, WebhookError> {
        let uri: Uri = text.parse().map_err(|_| WebhookError)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        // A name before the host would be a password in a log.
        let is_plain = uri.authority().is_some_and(|of| !of.host().is_empty() && !of.as_str().contains('@'));
        if is_web && is_plain { Ok(Self(uri)) } else { Err(WebhookError) }
    }
}
