//! Configurations of rustls for what serves and what dials.
//!
//! Sessions are never resumed: each connection verifies a certificate, so none outlives its expiry or a key that was
//! removed. A full handshake on P-256 takes less than a millisecond.

use std::sync::Arc;

use rustls::{
    ClientConfig, Error, ServerConfig,
    client::{ResolvesClientCert, Resumption},
    crypto::ring,
    server::{NoServerSessionStorage, ResolvesServerCert},
    time_provider::TimeProvider,
    version::{TLS12, TLS13},
};

use super::trust::{ClientTrust, ServerTrust};

/// Serves the certificates of `certificates`, and asks clients for one without demanding it. TLS 1.2 is for older
/// clients of HTTP.
///
/// # Errors
/// rustls can't use its own provider.
pub fn server_config(
    trust: Arc<ClientTrust>,
    certificates: Arc<dyn ResolvesServerCert>,
    protocols: &[&[u8]],
    clock: Arc<dyn TimeProvider>,
) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_details(Arc::new(ring::default_provider()), clock)
        .with_protocol_versions(&[&TLS13, &TLS12])?;
    let mut config = builder.with_client_cert_verifier(trust).with_cert_resolver(certificates);
    config.alpn_protocols = owned(protocols);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Dials nodes. A node shows a certificate of its own; a client with a token shows none.
///
/// # Errors
/// rustls can't use its own provider.
pub fn client_config(
    trust: Arc<ServerTrust>,
    certificates: Option<Arc<dyn ResolvesClientCert>>,
    protocols: &[&[u8]],
    clock: Arc<dyn TimeProvider>,
) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_details(Arc::new(ring::default_provider()), clock)
        .with_protocol_versions(&[&TLS13])?;
    let builder = builder.dangerous().with_custom_certificate_verifier(trust);
    let mut config = match certificates {
        Some(certificates) => builder.with_client_cert_resolver(certificates),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = owned(protocols);
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn owned(protocols: &[&[u8]]) -> Vec<Vec<u8>> {
    protocols.iter().map(|protocol| protocol.to_vec()).collect()
}
