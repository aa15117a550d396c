//! Authorities that a user names, where nodes have certificates that others issued.

use std::{fmt, io, path::PathBuf, sync::Arc};

use psi_security::certificate::{NamePattern, ServerTrust, TrustAnchors, tls};
use rustls::{ClientConfig, time_provider::DefaultTimeProvider};

/// A file of authorities in PEM. It is read for each connection: some authorities last a day.
#[derive(Debug)]
pub struct AuthorityFile {
    path: PathBuf,
    names: NamePattern,
}

impl AuthorityFile {
    /// The file, and how certificates name nodes.
    ///
    /// # Errors
    /// The file can't be read, or holds no authority.
    pub fn open(path: PathBuf, names: NamePattern) -> io::Result<Self> {
        let file = Self { path, names };
        file.config().map(|_| file)
    }

    pub(crate) fn config(&self) -> io::Result<Arc<ClientConfig>> {
        let unusable = |why: &dyn fmt::Display| io::Error::other(format!("{}: {why}", self.path.display()));
        let pem = std::fs::read(&self.path).map_err(|error| unusable(&format!("can't be read: {error}")))?;
        let anchors = TrustAnchors::from_pem(&pem).map_err(|error| unusable(&error))?;
        let trust = Arc::new(ServerTrust::any_node(anchors, self.names.clone()));
        let config = tls::client_config(trust, None, &[b"h2"], Arc::new(DefaultTimeProvider));
        config.map(Arc::new).map_err(io::Error::other)
    }
}
