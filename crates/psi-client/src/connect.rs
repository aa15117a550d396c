//! Connections that show the token, to nodes that the token names.

use std::{error::Error, io, sync::Arc};

use hyper_util::rt::TokioIo;
use psi_security::certificate::{CertificateRefusal, Validity};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    Request, Status,
    codegen::http::Uri,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{self, Channel, Endpoint},
};
use tower::service_fn;

use crate::access::Access;

/// A connection to a node, over which each call shows the access token.
pub type Connection = InterceptedService<Channel, Access>;

impl Access {
    /// A connection to an endpoint. Its scheme is `http`, also where the connection has TLS.
    ///
    /// # Errors
    /// If none comes about. [`is_distrust`] says whether the token is the reason.
    pub async fn connect(&self, endpoint: Endpoint) -> Result<Connection, transport::Error> {
        let channel = if self.is_secure() {
            let access = self.clone();
            endpoint.connect_with_connector(service_fn(move |uri| secured(uri, access.config()))).await?
        } else {
            endpoint.connect().await?
        };
        Ok(InterceptedService::new(channel, self.clone()))
    }

    /// The same, once it is used, and again when it breaks.
    #[must_use]
    pub fn connect_lazily(&self, endpoint: &Endpoint) -> Connection {
        let channel = if self.is_secure() {
            let access = self.clone();
            endpoint.connect_with_connector_lazy(service_fn(move |uri| secured(uri, access.config())))
        } else {
            endpoint.connect_lazy()
        };
        InterceptedService::new(channel, self.clone())
    }

    /// From when until when the certificate is valid that the node at `host:port` shows; `None` without TLS.
    pub async fn validity(&self, address: &str) -> Option<Validity> {
        let uri = format!("https://{address}").parse().ok()?;
        let connection = secured(uri, self.config()).await.ok()?.into_inner();
        Validity::of_chain(connection.get_ref().1.peer_certificates()?).ok()
    }
}

async fn secured(uri: Uri, config: io::Result<Arc<ClientConfig>>) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let config = config?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(443);
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    Ok(TokioIo::new(TlsConnector::from(config).connect(name, stream).await?))
}

impl Interceptor for Access {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = self.token() {
            request.metadata_mut().insert("authorization", token.authorization.clone());
        }
        Ok(request)
    }
}

/// Whether a connection failed since the node's certificate is of an authority, or a cluster, that the token does not name.
/// Then another token may help.
#[must_use]
pub fn is_distrust(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // What an `io::Error` wraps is not among its sources.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = wrapped.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref());
        if let Some(refusal) = tls.and_then(CertificateRefusal::of) {
            return matches!(refusal, CertificateRefusal::OtherAuthority { .. } | CertificateRefusal::Nameless { .. });
        }
        next = error.source();
    }
    false
}
