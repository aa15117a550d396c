//! Who may join the cluster and call its nodes.

use std::path::PathBuf;

use psi_security::certificate::NamePattern;

/// Who may join the cluster and call its nodes.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// The file of the cluster key. `None`: anyone may who reaches the node, so it listens on loopback alone.
    pub key_file: Option<PathBuf>,
    /// The file of access tokens that are refused, by name or id. There may be none yet.
    pub revoked_file: Option<PathBuf>,
    /// Listens beyond loopback without a key.
    pub insecure: bool,
    /// The certificate that others issued to this node.
    pub tls: TlsFiles,
}

/// A certificate that others issued to this node, as files in PEM: all three, or none, and it makes its own from the
/// key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The node's certificate, and those between it and its authority.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// The authorities whose certificates are believed.
    pub ca: Option<PathBuf>,
    /// How certificates name nodes, see [`NamePattern::new`].
    pub name: String,
}

impl Default for TlsFiles {
    fn default() -> Self {
        Self { cert: None, key: None, ca: None, name: NamePattern::DEFAULT.to_owned() }
    }
}
