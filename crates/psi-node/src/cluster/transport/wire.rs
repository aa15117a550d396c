//! The socket towards other nodes, and the seal of what goes over it where the cluster has a key.

mod seal;

use std::{io, net::SocketAddr};

use anyhow::{Context, Result};
use tokio::net::UdpSocket;

pub(super) use self::seal::Seal;

/// More than any datagram has.
const BUFFER: usize = 65_536;

pub(super) struct Wire {
    socket: UdpSocket,
    buffer: Box<[u8]>,
}

impl Wire {
    pub(super) async fn bind(address: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(address).await.with_context(|| format!("can't bind {address} for gossip"))?;
        Ok(Self { socket, buffer: vec![0; BUFFER].into() })
    }

    pub(super) fn local_address(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// Sends one message. An error concerns its target, not the socket.
    pub(super) async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send_to(bytes, to).await
    }

    /// Receives one message. Can be cancelled without losing one.
    ///
    /// # Errors
    /// If the socket is of no use any more.
    pub(super) async fn receive(&mut self) -> Result<(&[u8], SocketAddr)> {
        let (length, from) = loop {
            match self.socket.recv_from(&mut self.buffer).await {
                Ok(received) => break received,
                // About a message that was sent before.
                Err(error) if is_of_a_target(&error) => {}
                Err(error) => return Err(error).context("can't receive gossip"),
            }
        };
        Ok((&self.buffer[..length], from))
    }
}

fn is_of_a_target(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable, OutOfMemory,
    };
    matches!(
        error.kind(),
        ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | OutOfMemory
    )
}
