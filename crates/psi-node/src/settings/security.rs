//! Who may join the cluster and call its nodes.

use std::path::PathBuf;

use psi_security::token::Revocations;

/// Who may join the cluster and call its nodes.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// The file of the cluster key. `None`: anyone may who reaches the node, so it listens on loopback alone.
    pub key_file: Option<PathBuf>,
    /// Access tokens that are refused from now on, by name or id.
    pub revoked: Revocations,
    /// Listens beyond loopback without a key.
    pub insecure: bool,
}
