//! A relay between two nodes that counts what passes: the payload of TCP, in both directions, framing of HTTP/2 included.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_util::io::InspectReader;

use crate::error::BenchError;

/// Bytes that count through relays that share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByteCount(Arc<AtomicU64>);

impl ByteCount {
    pub(crate) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Ends with its connections when dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Listens on a free port of the loopback, and passes connections on to `to`.
    ///
    /// # Errors
    /// If it can't listen.
    pub(crate) async fn start(to: SocketAddr, count: ByteCount) -> Result<Self, BenchError> {
        let unbound = |error: std::io::Error| BenchError::failed(format!("can't listen on the loopback: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        Ok(Self { address, accepting: tokio::spawn(accept(listener, to, count)) })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, count: ByteCount) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        connections.spawn(pass(near, to, count.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Whatever goes wrong ends the connection, and the nodes make another.
async fn pass(near: TcpStream, to: SocketAddr, count: ByteCount) -> std::io::Result<()> {
    let far = TcpStream::connect(to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let mut near = InspectReader::new(near, |bytes: &[u8]| count.add(bytes.len()));
    let mut far = InspectReader::new(far, |bytes: &[u8]| count.add(bytes.len()));
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_of_both_directions_pass_and_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let count = ByteCount::default();
        let relay = Relay::start(listener.local_addr().unwrap(), count.clone()).await.unwrap();
        let mut near = TcpStream::connect(relay.address).await.unwrap();
        near.write_all(b"there").await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let mut received = [0; 5];
        far.read_exact(&mut received).await.unwrap();
        far.write_all(b"back").await.unwrap();
        far.shutdown().await.unwrap();
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.unwrap();
        assert_eq!((&received[..], &answer[..], count.total()), (&b"there"[..], &b"back"[..], 9));
    }
}
