//! Dialling other nodes: with TLS and this node's certificate where the cluster has a key.

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, task};

use axum::http::Uri;
use hyper_util::rt::TokioIo;
use psi_replica::NodeId;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Error};
use tower::Service;

use crate::node::identity::Identity;

/// Connects to one node with TLS, by the key that the cluster has at that moment.
#[derive(Clone)]
struct Connector {
    identity: Arc<Identity>,
    address: SocketAddr,
    /// The node that must answer; `None`: any of the cluster.
    node: Option<NodeId>,
}

impl Identity {
    /// Dials a node at an address: `node`, or any node of the cluster. `set` chooses time-outs and the like.
    ///
    /// # Errors
    /// If no connection comes about.
    pub(crate) async fn dial(
        self: &Arc<Self>,
        address: SocketAddr,
        node: Option<&NodeId>,
        set: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Result<Channel, Error> {
        let endpoint = set(endpoint(address)?);
        match self.connector(address, node) {
            None => endpoint.connect().await,
            Some(connector) => endpoint.connect_with_connector(connector).await,
        }
    }

    /// The same, once the channel is used; and again whenever the connection has ended.
    ///
    /// # Errors
    /// If no URI can be made of the address.
    pub(crate) fn dial_lazily(
        self: &Arc<Self>,
        address: SocketAddr,
        node: Option<&NodeId>,
        set: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Result<Channel, Error> {
        let endpoint = set(endpoint(address)?);
        Ok(match self.connector(address, node) {
            None => endpoint.connect_lazy(),
            Some(connector) => endpoint.connect_with_connector_lazy(connector),
        })
    }

    fn connector(self: &Arc<Self>, address: SocketAddr, node: Option<&NodeId>) -> Option<Connector> {
        self.credentials().map(|_| Connector { identity: self.clone(), address, node: node.cloned() })
    }
}

fn endpoint(address: SocketAddr) -> Result<Endpoint, Error> {
    Endpoint::from_shared(format!("http://{address}"))
}

impl Connector {
    async fn connect(self) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let credentials = self.identity.credentials().ok_or(io::ErrorKind::NotConnected)?;
        let config = credentials.client_config(self.node.as_ref().map(NodeId::as_str)).map_err(io::Error::other)?;
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        // Nobody looks at it: the certificate says which node it is.
        let name = ServerName::IpAddress(self.address.ip().into());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        stream.inspect_err(|error| self.identity.refusals.record(error)).map(TokioIo::new)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}
