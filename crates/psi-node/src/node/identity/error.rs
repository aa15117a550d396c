//! Why a node does not start as what it was told to be.

use std::{io, net::SocketAddr, path::PathBuf};

use psi_security::{certificate::IssueError, key::KeyFileError};

use crate::settings::Settings;

/// What is wrong with the key, or with having none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Other machines could do what they like.
    #[error(
        "{setting} is {address}, which other machines can reach, and the cluster has no key: anyone could read and \
         change everything. Make a key with `psi-field key --write cluster.key`, give it to all nodes, and set \
         security.key_file (PSI_SECURITY_KEY_FILE); or set security.insecure = true (PSI_SECURITY_INSECURE) where nobody \
         else reaches the network"
    )]
    Exposed {
        /// The setting.
        setting: &'static str,
        /// Its value.
        address: SocketAddr,
    },
    /// The file can't be read.
    #[error("can't read the key file {}: {source}; set security.key_file to a file of `psi-field key`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds no keys.
    #[error("{}: {source}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyFileError,
    },
    /// The file was empty of news when it was read first.
    #[error("the key file could not be read; start the node again")]
    NoContent,
    /// No certificate can be made.
    #[error("can't make this node's certificate: {0}")]
    Certificate(#[from] IssueError),
    /// rustls can't be configured.
    #[error("can't configure TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Refuses ports that other machines can reach, unless that is asked for.
pub(super) fn check_loopback(settings: &Settings) -> Result<(), IdentityError> {
    let ports = [("grpc.listen", settings.grpc), ("http.listen", settings.http), ("gossip.listen", settings.gossip)];
    for (setting, endpoint) in ports {
        if !settings.security.insecure && !endpoint.listen.ip().to_canonical().is_loopback() {
            return Err(IdentityError::Exposed { setting, address: endpoint.listen });
        }
    }
    Ok(())
}
