//! Which nodes this client believes: those whose authority is in the token, or in a file of the user's own.

use std::{io, path::PathBuf, sync::Arc};

use hyper_util::rt::TokioIo;
use psi_security::{
    certificate::{NamePattern, ServerTrust, TrustAnchors, Validity, tls},
    token::TokenClaims,
};
use rustls::{ClientConfig, pki_types::ServerName, time_provider::DefaultTimeProvider};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::codegen::http::Uri;

/// Which nodes are believed.
pub(super) enum NodeTrust {
    /// Those of an authority that the token names.
    Token(Arc<ClientConfig>),
    /// Those of an authority in the file, which is read for each connection: authorities of SPIRE last a day.
    File { path: PathBuf, names: NamePattern },
}

impl NodeTrust {
    pub(super) fn of_token(claims: &TokenClaims) -> Result<Self, rustls::Error> {
        let names = NamePattern::of_cluster(&claims.cluster);
        Ok(Self::Token(configured(ServerTrust::authorities(claims.authorities.clone(), names))?))
    }

    /// How a node is dialled.
    ///
    /// # Errors
    /// The file can't be read, or holds no authority.
    pub(super) fn config(&self) -> io::Result<Arc<ClientConfig>> {
        match self {
            Self::Token(config) => Ok(config.clone()),
            Self::File { path, names } => {
                let unusable = |why: &dyn std::fmt::Display| io::Error::other(format!("{}: {why}", path.display()));
                let pem = std::fs::read(path).map_err(|error| unusable(&format!("can't be read: {error}")))?;
                let anchors = TrustAnchors::from_pem(&pem).map_err(|error| unusable(&error))?;
                configured(ServerTrust::any_node(anchors, names.clone())).map_err(io::Error::other)
            }
        }
    }

    /// Dials a node.
    pub(super) async fn connect(&self, uri: Uri) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(443);
        let config = self.config()?;
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        Ok(TokioIo::new(TlsConnector::from(config).connect(name, stream).await?))
    }

    /// From when until when the certificate is valid that a node shows.
    pub(super) async fn validity(&self, uri: Uri) -> Option<Validity> {
        let connection = self.connect(uri).await.ok()?.into_inner();
        Validity::of_chain(connection.get_ref().1.peer_certificates()?).ok()
    }
}

fn configured(trust: ServerTrust) -> Result<Arc<ClientConfig>, rustls::Error> {
    tls::client_config(Arc::new(trust), None, &[b"h2"], Arc::new(DefaultTimeProvider)).map(Arc::new)
}
