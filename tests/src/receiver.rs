//! A receiver of webhooks: keeps what it is sent, and answers as it is told.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::certificates::IssuedCertificate;

/// A message that was posted.
#[derive(Clone, Debug)]
pub struct Post {
    /// The path.
    pub path: String,
    /// The headers, by their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub body: String,
    /// How it was answered.
    pub answered: u16,
}

/// A receiver of webhooks on a free port.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Post {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| self.body.clone())
    }
}

impl Receiver {
    /// Refuses so many posts with 503, and takes the rest; by TLS where it has a certificate.
    ///
    /// # Errors
    /// If it can't listen, or the certificate is none.
    pub async fn start(refused: usize, certificate: Option<&IssuedCertificate>) -> Result<Self> {
        let acceptor = certificate.map(acceptor).transpose()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, posts) = (listener.local_addr()?, Arc::new(Mutex::new(Vec::new())));
        let kept = posts.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // One after the other, so that the first are refused. A caller that hangs up is no post.
                let _ = match &acceptor {
                    None => take(stream, refused, &kept).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => take(stream, refused, &kept).await,
                        Err(error) => Err(error.into()),
                    },
                };
            }
        });
        Ok(Self { address, posts })
    }

    /// All that was posted so far.
    pub fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn acceptor(certificate: &IssuedCertificate) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_slice_iter(certificate.cert.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes())?;
    let config =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions()?;
    Ok(TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key)?)))
}

/// Takes one post, answers and hangs up.
async fn take(stream: impl AsyncRead + AsyncWrite + Unpin, refused: usize, posts: &Mutex<Vec<Post>>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut headers) = (String::new(), BTreeMap::new());
    stream.read_line(&mut line).await?;
    let path = line.split(' ').nth(1).context("a path")?.to_owned();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? <= 2 {
            break;
        }
        let (name, value) = line.split_once(':').context("a header")?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").context("a length")?.parse()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let answered = {
        let mut posts = posts.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = if posts.len() < refused { 503 } else { 200 };
        posts.push(Post { path, headers, body: String::from_utf8(body)?, answered });
        answered
    };
    let answer = format!("HTTP/1.1 {answered} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}
