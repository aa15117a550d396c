//! Calls over TLS that no client library makes: any path, any token, any certificate.

use std::{net::SocketAddr, sync::Arc, time::Duration};

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
    certificate::{Authority, ServerTrust, TrustAnchors, tls},
    key::{ClusterKey, KeyRing},
};
use rustls::{
    SignatureScheme, client::ResolvesClientCert, pki_types::ServerName, sign::CertifiedKey,
    time_provider::DefaultTimeProvider,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

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
    let trust = Arc::new(ServerTrust::any_node(TrustAnchors::derive(keys, CLUSTER), CLUSTER));
    let config = tls::client_config(trust, certificate.transpose()?, &[protocol], Arc::new(DefaultTimeProvider))?;
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::IpAddress(address.ip().into());
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
}

/// The status of a call of gRPC with an empty message; `None` if its answer goes on.
pub(crate) async fn call(
    address: SocketAddr,
    keys: &KeyRing,
    identity: Identity,
    path: &str,
) -> Result<Option<tonic::Code>> {
    let stream = connect(address, keys, identity, b"h2").await?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let mut request = Request::post(format!("https://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(token) = identity.token(keys) {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = sender.send_request(request.body(Full::new(Bytes::from_static(&[0; 5])))?).await?;
    let status = grpc_status(answer).await;
    driver.abort();
    status
}

async fn grpc_status(answer: Response<Incoming>) -> Result<Option<tonic::Code>> {
    let code = |headers: &HeaderMap| {
        let status = headers.get("grpc-status")?;
        Some(tonic::Code::from_bytes(status.as_bytes()))
    };
    if let Some(code) = code(answer.headers()) {
        return Ok(Some(code));
    }
    match tokio::time::timeout(Duration::from_millis(500), answer.into_body().collect()).await {
        Ok(body) => Ok(Some(body?.trailers().and_then(code).context("a status")?)),
        Err(_) => Ok(None),
    }
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
