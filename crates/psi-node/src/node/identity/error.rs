//! Why a node does not start as what it was told to be.

use std::{io, net::SocketAddr, path::PathBuf};

use psi_security::{
    certificate::{IssueError, NamePatternError, OwnCertificateError},
    key::KeyFileError,
    token::RevocationError,
};

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
    /// Nobody could tell a post from a forged one.
    #[error(
        "notify.webhook is {webhook}, and notify.secret_file is not set: posts are signed. Make a secret, `echo \
         whsec_$(openssl rand -base64 32) > webhook.secret`, give it to all nodes and to the receiver, and set \
         notify.secret_file (PSI_NOTIFY_SECRET_FILE)"
    )]
    UnsignedWebhook {
        /// Where events would be posted.
        webhook: String,
    },
    /// A file can't be read.
    #[error("can't read {} {}: {source}; {}", described(setting).0, path.display(), described(setting).1)]
    Unreadable {
        /// Which setting names it.
        setting: &'static str,
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
    /// The file of revoked tokens holds something else.
    #[error("{}: {source}", path.display())]
    RevokedFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RevocationError,
    },
    /// Certificates of others are given, and no key.
    #[error(
        "tls.cert is set and security.key_file is not: certificates of your own secure connections, and it takes a key to \
         seal gossip and to make tokens. Make one with `psi-field key --write cluster.key`, give it to all nodes, and set \
         security.key_file (PSI_SECURITY_KEY_FILE)"
    )]
    CertificateWithoutKey,
    /// Some of what it takes for certificates of others is missing.
    #[error(
        "{given} is set and {missing} is not: certificates of your own take tls.cert, tls.key and tls.ca together; set all \
         three, or none, and they follow from the key"
    )]
    PartialTls {
        /// The settings that are given.
        given: String,
        /// Those that are not.
        missing: String,
    },
    /// Names of nodes that can't be.
    #[error("tls.name {0}")]
    NamePattern(NamePatternError),
    /// A certificate that others issued can't be used.
    #[error("{}: {source}", path.display())]
    OwnCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: OwnCertificateError,
    },
    /// No certificate can be made.
    #[error("can't make this node's certificate: {0}")]
    Certificate(#[from] IssueError),
    /// rustls can't be configured.
    #[error("can't configure TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What the file of a setting is, and what to do if it can't be read.
fn described(setting: &str) -> (&'static str, &'static str) {
    const TLS: &str = "make it readable for the node's user, or leave out tls.cert, tls.key and tls.ca, and certificates \
                       follow from the key";
    match setting {
        "security.key_file" => ("the key file", "set security.key_file to a file of `psi-field key`"),
        "security.revoked_file" => ("the file of security.revoked_file", "make it readable for the node's user"),
        "tls.cert" => ("the file of tls.cert", TLS),
        "tls.key" => ("the file of tls.key", TLS),
        _ => ("the file of tls.ca", TLS),
    }
}

/// What is posted is signed.
///
/// # Errors
/// There is a webhook, and no secret.
pub(super) fn check_webhook(settings: &Settings) -> Result<(), IdentityError> {
    match &settings.notify.webhook {
        Some(webhook) if settings.notify.secret_file.is_none() => {
            Err(IdentityError::UnsignedWebhook { webhook: webhook.to_string() })
        }
        _ => Ok(()),
    }
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
