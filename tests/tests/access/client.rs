//! Calls over TLS that no client library makes: any path, any token, any certificate.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
    header::HeaderMap,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use psi_security::{
    certificate::{Authority, NamePattern, ServerTrust, TrustAnchors, tls},
    key::{ClusterKey, KeyRing},
};
use rustls::{
    SignatureScheme, client::ResolvesClientCert, pki_types::ServerName, sign::CertifiedKey,
    time_provider::DefaultTimeProvider,
};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::Code;

use crate::identities::{CLUSTER, Identity, now_s};

/// Shows one certificate.
#[derive(Debug)]
struct OneCertificate(Arc<CertifiedKey>);

impl ResolvesClientCert for OneCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A connection with the certificate of an identity, if it has one.
pub(crate) async fn connect(
    address: SocketAddr,
    keys: &KeyRing,
    identity: Identity,
    protocol: &'static [u8],
) -> Result<TlsStream<TcpStream>> {
    let signer = match identity {
        Identity::Peer => Some(Authority::derive(keys.first(), CLUSTER)),
        Identity::WrongPeer => Some(Authority::derive(&ClusterKey::from_random([9; 32]), CLUSTER)),
        _ => None,
    };
    let certificate = signer.map(|signer| -> Result<Arc<dyn ResolvesClientCert>> {
        let issued = signer.issue::<&str>("n9", &[], now_s(), 3_600)?;
        Ok(Arc::new(OneCertificate(issued.certified_key()?)))
    });
    let trust = Arc::new(ServerTrust::any_node(TrustAnchors::derive(keys, CLUSTER), NamePattern::of_cluster(CLUSTER)));
    let config = tls::client_config(trust, certificate.transpose()?, &[protocol], Arc::new(DefaultTimeProvider))?;
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::IpAddress(address.ip().into());
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
}

/// An open connection of HTTP/2, and the task that ends with it.
pub(crate) struct OpenConnection {
    sender: http2::SendRequest<Full<Bytes>>,
    pub(crate) task: JoinHandle<hyper::Result<()>>,
}

/// Opens a connection of HTTP/2 and keeps it.
pub(crate) async fn open(address: SocketAddr, keys: &KeyRing, identity: Identity) -> Result<OpenConnection> {
    let stream = connect(address, keys, identity, b"h2").await?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    Ok(OpenConnection { sender, task: tokio::spawn(connection) })
}

/// Why a call of gRPC with an empty message is refused; `None` if its answer begins.
pub(crate) async fn refusal(
    address: SocketAddr,
    keys: &KeyRing,
    identity: Identity,
    path: &str,
) -> Result<Option<Code>> {
    let (_connection, answer) = send(address, keys, identity, path).await?;
    Ok(status_in(answer.headers()))
}

/// The status of a call of gRPC with an empty message, whose answer ends.
pub(crate) async fn call(address: SocketAddr, keys: &KeyRing, identity: Identity, path: &str) -> Result<Code> {
    let (_connection, answer) = send(address, keys, identity, path).await?;
    if let Some(code) = status_in(answer.headers()) {
        return Ok(code);
    }
    answer.into_body().collect().await?.trailers().and_then(status_in).context("a status")
}

async fn send(
    address: SocketAddr,
    keys: &KeyRing,
    identity: Identity,
    path: &str,
) -> Result<(OpenConnection, Response<Incoming>)> {
    let mut connection = open(address, keys, identity).await?;
    let mut request = Request::post(format!("https://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(token) = identity.token(keys) {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = connection.sender.send_request(request.body(Full::new(Bytes::from_static(&[0; 5])))?).await?;
    Ok((connection, answer))
}

fn status_in(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()))
}

/// The answer to a request of HTTP: its status and body.
pub(crate) async fn request(
    address: SocketAddr,
    keys: &KeyRing,
    identity: Identity,
    method: &str,
    path: &str,
) -> Result<(u16, String)> {
    let stream = connect(address, keys, identity, b"http/1.1").await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "n1");
    if let Some(token) = identity.token(keys) {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let sent = sender.send_request(request.body(Full::<Bytes>::default())?);
    let answer = tokio::time::timeout(psi_tests::DEADLINE, sent).await??;
    let status = answer.status().as_u16();
    let is_endless = answer.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let body = if is_endless { Bytes::new() } else { answer.into_body().collect().await?.to_bytes() };
    driver.abort();
    if status == 0 {
        bail!("no status");
    }
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
