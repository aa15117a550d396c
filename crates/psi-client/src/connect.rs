//! Connections that show the token, to nodes that the token names.

use std::{error::Error, io, sync::Arc};

use hyper_util::rt::TokioIo;
use psi_security::certificate::CertificateRefusal;
use rustls::{CertificateError, OtherError, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    Request, Status,
    codegen::http::Uri,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{self, Channel, Endpoint},
};
use tower::service_fn;

use crate::access::{Access, AccessToken};

/// A connection to a node, over which each call shows the access token.
pub type Connection = InterceptedService<Channel, Access>;

impl Access {
    /// A connection to an endpoint. Its scheme is `http`, also where the connection has TLS.
    ///
    /// # Errors
    /// If none comes about. [`is_distrust`] says whether the token is the reason.
    pub async fn connect(&self, endpoint: Endpoint) -> Result<Connection, transport::Error> {
        let channel = match self.token() {
            None => endpoint.connect().await?,
            Some(_) => {
                let access = self.clone();
                endpoint.connect_with_connector(service_fn(move |uri| secured(uri, access.token()))).await?
            }
        };
        Ok(InterceptedService::new(channel, self.clone()))
    }

    /// The same, once it is used, and again when it breaks.
    #[must_use]
    pub fn connect_lazily(&self, endpoint: &Endpoint) -> Connection {
        let channel = match self.token() {
            None => endpoint.connect_lazy(),
            Some(_) => {
                let access = self.clone();
                endpoint.connect_with_connector_lazy(service_fn(move |uri| secured(uri, access.token())))
            }
        };
        InterceptedService::new(channel, self.clone())
    }
}

async fn secured(uri: Uri, token: Option<Arc<AccessToken>>) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let token = token.ok_or_else(|| io::Error::other("the client has no access token"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(443);
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    Ok(TokioIo::new(TlsConnector::from(token.config.clone()).connect(name, stream).await?))
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
        if let Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(refusal)))) = tls {
            let refusal = refusal.downcast_ref();
            return matches!(
                refusal,
                Some(CertificateRefusal::OtherAuthority { .. } | CertificateRefusal::OtherCluster { .. })
            );
        }
        next = error.source();
    }
    false
}
