//! How a connection begins, by which HTTP/1 and HTTP/2 are told apart.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio_util::either::Either;

use crate::node::identity::tls::ClientStream;

/// How a connection of HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Pause until the next look at the first bytes, if they came one by one.
const LOOK: Duration = Duration::from_millis(5);
/// After this long it is clear.
const CLEAR: Duration = Duration::from_secs(5);

/// Whether a new connection speaks HTTP/2; `None` if that can't be told in time. Nothing is read. Within TLS both ends
/// have agreed on it.
pub(crate) async fn is_http2(stream: &ClientStream) -> Option<bool> {
    match stream {
        Either::Left(stream) => begins_as_http2(stream).await,
        Either::Right(stream) => Some(stream.get_ref().1.alpn_protocol() == Some(b"h2")),
    }
}

/// Whether a new connection begins as HTTP/2 does; `None` if that can't be told in time. Nothing is read.
pub(crate) async fn begins_as_http2(stream: &TcpStream) -> Option<bool> {
    tokio::time::timeout(CLEAR, look(stream)).await.ok()
}

async fn look(stream: &TcpStream) -> bool {
    let mut first = [0; PREFACE.len()];
    loop {
        let length = match stream.peek(&mut first).await {
            Ok(0) | Err(_) => return false,
            Ok(length) => length,
        };
        if !PREFACE.starts_with(&first[..length]) || length == PREFACE.len() {
            return length == PREFACE.len() && first == PREFACE;
        }
        tokio::time::sleep(LOOK).await;
    }
}
