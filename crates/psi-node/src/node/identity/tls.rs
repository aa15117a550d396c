//! TLS towards clients and peers that dial this node.

mod dial;
mod refusals;

use std::{io, time::Duration};

use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::either::Either;

pub(super) use self::refusals::RefusalCounts;
use super::{Identity, caller::Caller, port::Port, shown::ShownIdentity};

/// A handshake takes less than a millisecond, and this long on a bad network.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// What every connection of TLS begins with: the type of a handshake's record.
const HANDSHAKE_RECORD: u8 = 22;

/// A connection of a client, with or without TLS.
pub(crate) type ClientStream = Either<TcpStream, TlsStream<TcpStream>>;

/// What can be done with a connection.
pub(crate) enum Admission {
    /// It can be served, and this is who it is before a token is shown.
    Ready(Box<ClientStream>, ShownIdentity),
    /// It speaks without TLS to a node that wants it.
    Unencrypted(TcpStream),
}

impl Admission {
    /// Whether it is a node that has shown its certificate.
    pub(crate) fn is_of_a_node(&self) -> bool {
        matches!(self, Self::Ready(_, shown) if matches!(shown.certified, Caller::Node(_)))
    }
}

impl Identity {
    /// Does what comes before the first request of a connection, whose first byte is `first`.
    ///
    /// # Errors
    /// The handshake failed, or took too long.
    pub(crate) async fn accept(&self, stream: TcpStream, port: Port, first: u8) -> io::Result<Admission> {
        let Some(credentials) = self.credentials() else {
            return Ok(Admission::Ready(Box::new(Either::Left(stream)), ShownIdentity::new(Caller::Anyone)));
        };
        if first != HANDSHAKE_RECORD {
            return Ok(Admission::Unencrypted(stream));
        }
        let stream = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(credentials.server_config(port)).accept(stream))
            .await??;
        let (_, session) = stream.get_ref();
        let node = session.peer_certificates().and_then(|chain| credentials.peer(chain));
        let caller = node.map_or(Caller::Stranger, Caller::Node);
        Ok(Admission::Ready(Box::new(Either::Right(stream)), ShownIdentity::new(caller)))
    }
}
