//! Calls over TLS that no client library makes: any path, any token, any certificate.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, bail};
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    client::conn::{http1, http2},
    header::HeaderMap,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use psi_security::{
    certificate::{Authority, NamePattern, ServerTrust, TrustAnchors, tls},
    key::{ClusterKey, KeyRing},
};
use psi_tests::certificates::IssuedCertificate;
use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
    time_provider::DefaultTimeProvider,
};
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use tower::service_fn;

use crate::identities::{CLUSTER, Identity, now_s};

/// A message of gRPC with nothing in it.
const EMPTY_MESSAGE: Bytes = Bytes::from_static(&[0; 5]);
/// One whose first member is the name `l`.
const NAMED_MESSAGE: Bytes = Bytes::from_static(&[0, 0, 0, 0, 3, 0x0a, 1, b'l']);

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

/// Someone who dials: what it believes, and what it shows.
#[derive(Clone)]
pub(crate) struct Dialler {
    trust: Arc<ServerTrust>,
    certificate: Option<Arc<OneCertificate>>,
    token: Option<String>,
}

/// An open connection of HTTP/2, and the task that ends with it.
pub(crate) struct OpenConnection {
    sender: http2::SendRequest<BoxBody<Bytes, Infallible>>,
    /// The address of this end.
    pub(crate) local: SocketAddr,
    pub(crate) task: JoinHandle<hyper::Result<()>>,
}

impl OpenConnection {
    /// The beginning of the answer to a call of gRPC.
    pub(crate) async fn send(
        &self,
        keys: &KeyRing,
        identity: Identity,
        path: &str,
        message: &[u8],
    ) -> Result<Response<Incoming>> {
        let mut request = Request::post(format!("https://node{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(token) = identity.token(keys) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let frame = frame(message)?;
        Ok(self.sender.clone().send_request(request.body(Full::new(frame).boxed())?).await?)
    }
}

impl Dialler {
    /// An identity of a cluster whose certificates follow from its key.
    pub(crate) fn of(keys: &KeyRing, identity: Identity) -> Result<Self> {
        let signer = match identity {
            Identity::Peer => Some(Authority::derive(keys.first(), CLUSTER)),
            Identity::WrongPeer => Some(Authority::derive(&ClusterKey::from_random([9; 32]), CLUSTER)),
            _ => None,
        };
        let certificate = signer.map(|signer| -> Result<_> {
            let issued = signer.issue::<&str>("n9", &[], now_s(), 3_600)?;
            Ok(Arc::new(OneCertificate(issued.certified_key()?)))
        });
        let trust = ServerTrust::any_node(TrustAnchors::derive(keys, CLUSTER), NamePattern::of_cluster(CLUSTER));
        Ok(Self { trust: Arc::new(trust), certificate: certificate.transpose()?, token: identity.token(keys) })
    }

    /// The same, which believes the authorities of a bundle instead.
    pub(crate) fn believing(self, bundle: &str) -> Result<Self> {
        let anchors = TrustAnchors::from_pem(bundle.as_bytes())?;
        Ok(Self { trust: Arc::new(ServerTrust::any_node(anchors, NamePattern::of_cluster(CLUSTER))), ..self })
    }

    /// The same, which shows a certificate.
    pub(crate) fn showing(self, issued: &IssuedCertificate) -> Result<Self> {
        let chain = vec![CertificateDer::from_pem_slice(issued.cert.as_bytes())?];
        let key = any_supported_type(&PrivateKeyDer::from_pem_slice(issued.key.as_bytes())?)?;
        let certificate = Some(Arc::new(OneCertificate(Arc::new(CertifiedKey::new(chain, key)))));
        Ok(Self { certificate, ..self })
    }

    /// The same, which shows no token.
    pub(crate) fn without_token(self) -> Self {
        Self { token: None, ..self }
    }

    /// The same, which shows a token.
    pub(crate) fn holding(self, token: String) -> Self {
        Self { token: Some(token), ..self }
    }

    pub(crate) async fn connect(&self, address: SocketAddr, protocol: &'static [u8]) -> Result<TlsStream<TcpStream>> {
        let certificate = self.certificate.clone().map(|certificate| certificate as Arc<dyn ResolvesClientCert>);
        let clock = Arc::new(DefaultTimeProvider);
        let config = tls::client_config(self.trust.clone(), certificate, &[protocol], clock)?;
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::IpAddress(address.ip().into());
        Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
    }

    /// A connection for generated clients. Calls over it show the certificate, and no token.
    pub(crate) async fn channel(&self, address: SocketAddr) -> Result<Channel> {
        let dialler = self.clone();
        let connector = service_fn(move |_| {
            let dialler = dialler.clone();
            async move { dialler.connect(address, b"h2").await.map(TokioIo::new) }
        });
        Ok(Endpoint::from_static("http://node").connect_with_connector(connector).await?)
    }

    /// Opens a connection of HTTP/2 and keeps it.
    pub(crate) async fn open(&self, address: SocketAddr) -> Result<OpenConnection> {
        let stream = self.connect(address, b"h2").await?;
        let local = stream.get_ref().0.local_addr()?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        Ok(OpenConnection { sender, local, task: tokio::spawn(connection) })
    }

    /// The status of a call of gRPC with an empty message, whose answer ends.
    pub(crate) async fn call(&self, address: SocketAddr, path: &str) -> Result<Code> {
        let (_connection, answer) = self.send(address, path, Full::new(EMPTY_MESSAGE).boxed()).await?;
        end(answer).await.map(|(code, _)| code)
    }

    /// A call of gRPC whose answer is a stream. A client that streams too sends nothing without ending that; any other
    /// sends a message, empty but for the lease that is watched.
    pub(crate) async fn stream(
        &self,
        address: SocketAddr,
        path: &str,
        client_streams: bool,
    ) -> Result<(OpenConnection, Response<Incoming>)> {
        let nothing = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let message = if path.ends_with("/WatchLease") { NAMED_MESSAGE } else { EMPTY_MESSAGE };
        let body = if client_streams { BodyExt::boxed(nothing) } else { Full::new(message).boxed() };
        self.send(address, path, body).await
    }

    async fn send(
        &self,
        address: SocketAddr,
        path: &str,
        body: BoxBody<Bytes, Infallible>,
    ) -> Result<(OpenConnection, Response<Incoming>)> {
        let mut connection = self.open(address).await?;
        let mut request = Request::post(format!("https://{address}{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = connection.sender.send_request(request.body(body)?).await?;
        Ok((connection, answer))
    }

    /// The beginning of the answer to a request of HTTP.
    pub(crate) async fn ask(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
    ) -> Result<(JoinHandle<hyper::Result<()>>, Response<Incoming>)> {
        self.ask_with(address, method, path, String::new()).await
    }

    async fn ask_with(
        &self,
        address: SocketAddr,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<(JoinHandle<hyper::Result<()>>, Response<Incoming>)> {
        let stream = self.connect(address, b"http/1.1").await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "n1");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let sent = sender.send_request(request.body(Full::<Bytes>::from(body))?);
        Ok((driver, tokio::time::timeout(psi_tests::DEADLINE, sent).await??))
    }

    /// The answer to a body in JSON: its status and body.
    pub(crate) async fn post(&self, address: SocketAddr, path: &str, body: &Value) -> Result<(u16, String)> {
        let (driver, answer) = self.ask_with(address, "POST", path, body.to_string()).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        driver.abort();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// The answer to a request of HTTP: its status and body.
    pub(crate) async fn request(&self, address: SocketAddr, method: &str, path: &str) -> Result<(u16, String)> {
        let (driver, answer) = self.ask(address, method, path).await?;
        let status = answer.status().as_u16();
        let is_endless = answer.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let body = if is_endless { Bytes::new() } else { answer.into_body().collect().await?.to_bytes() };
        driver.abort();
        if status == 0 {
            bail!("no status");
        }
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// The status with which an answer of gRPC ends, and its message.
pub(crate) async fn end(answer: Response<Incoming>) -> Result<(Code, String)> {
    let headers = answer.headers().clone();
    let trailers = match status_in(&headers) {
        Some(_) => headers,
        None => answer.into_body().collect().await?.trailers().cloned().context("trailers")?,
    };
    let message = trailers.get("grpc-message").and_then(|message| message.to_str().ok()).unwrap_or_default();
    Ok((status_in(&trailers).context("a status")?, message.to_owned()))
}

/// A connection with the certificate of an identity, if it has one.
pub(crate) async fn connect(
    address: SocketAddr,
    keys: &KeyRing,
    identity: Identity,
    protocol: &'static [u8],
) -> Result<TlsStream<TcpStream>> {
    Dialler::of(keys, identity)?.connect(address, protocol).await
}

/// Opens a connection of HTTP/2 and keeps it.
pub(crate) async fn open(address: SocketAddr, keys: &KeyRing, identity: Identity) -> Result<OpenConnection> {
    Dialler::of(keys, identity)?.open(address).await
}

/// The beginning of the answer to a call of gRPC with one message.
pub(crate) async fn answer(
    address: SocketAddr,
    keys: &KeyRing,
    identity: Identity,
    (path, message): (&str, &[u8]),
) -> Result<(OpenConnection, Response<Incoming>)> {
    let frame = frame(message)?;
    Dialler::of(keys, identity)?.send(address, path, Full::new(frame).boxed()).await
}

/// A message as gRPC sends it.
fn frame(message: &[u8]) -> Result<Bytes> {
    let length = u32::try_from(message.len())?;
    Ok(Bytes::from([&[0][..], &length.to_be_bytes(), message].concat()))
}

/// The first message of an answer of gRPC.
pub(crate) async fn first_message(answer: Response<Incoming>) -> Result<Bytes> {
    let whole = answer.into_body().collect().await?.to_bytes();
    let length = usize::try_from(u32::from_be_bytes(*whole.get(1..).and_then(<[u8]>::first_chunk).context("a head")?))?;
    whole.get(5..5 + length).map(|message| whole.slice_ref(message)).context("a message")
}

/// The status of a call of gRPC with an empty message, whose answer ends.
pub(crate) async fn call(address: SocketAddr, keys: &KeyRing, identity: Identity, path: &str) -> Result<Code> {
    Dialler::of(keys, identity)?.call(address, path).await
}

pub(crate) fn status_in(headers: &HeaderMap) -> Option<Code> {
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
    Dialler::of(keys, identity)?.request(address, method, path).await
}

/// The address that a request of HTTP came from, and its answer.
pub(crate) async fn request_from(
    address: SocketAddr,
    keys: &KeyRing,
    identity: Identity,
    method: &str,
    path: &str,
) -> Result<(SocketAddr, (u16, String))> {
    let stream = Dialler::of(keys, identity)?.connect(address, b"http/1.1").await?;
    let local = stream.get_ref().0.local_addr()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "n1");
    if let Some(token) = identity.token(keys) {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = sender.send_request(request.body(Full::<Bytes>::from(""))?).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok((local, (status, String::from_utf8_lossy(&body).into_owned())))
}
