//! TLS towards clients and peers that dial this node.

use std::{io, time::Duration};

use psi_replica::NodeId;
use psi_security::certificate::peer_node;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::either::Either;

use super::{Identity, caller::Caller};

/// A handshake takes less than a millisecond, and this long on a bad network.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// What every connection of TLS begins with: the type of a handshake's record.
const HANDSHAKE_RECORD: u8 = 22;

/// Which of the ports for connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Grpc,
    Http,
}

impl Port {
    /// What it speaks, as TLS names it.
    pub(super) fn protocol(self) -> &'static [u8] {
        match self {
            Self::Grpc => b"h2",
            Self::Http => b"http/1.1",
        }
    }
}

/// A connection of a client, with or without TLS.
pub(crate) type ClientStream = Either<TcpStream, TlsStream<TcpStream>>;

/// What became of a connection that was accepted.
pub(crate) enum Accepted {
    /// It can be served, and this is who it is before a token is shown.
    Ready(ClientStream, Caller),
    /// It speaks without TLS to a node that wants it.
    Unencrypted(TcpStream),
}

impl Identity {
    /// Does what comes before the first request of a connection, whose first byte is `first`.
    ///
    /// # Errors
    /// The handshake failed, or took too long.
    pub(crate) async fn accept(&self, stream: TcpStream, port: Port, first: u8) -> io::Result<Accepted> {
        let Some(config) = self.server_config(port) else {
            return Ok(Accepted::Ready(Either::Left(stream), Caller::Anyone));
        };
        if first != HANDSHAKE_RECORD {
            return Ok(Accepted::Unencrypted(stream));
        }
        let stream = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await??;
        let (_, session) = stream.get_ref();
        let node = session.peer_certificates().and_then(peer_node).and_then(|id| NodeId::new(&id.node).ok());
        let caller = node.map_or(Caller::Stranger, Caller::Node);
        Ok(Accepted::Ready(Either::Right(stream), caller))
    }
}
