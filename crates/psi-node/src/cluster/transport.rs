//! The transport of gossip: chitchat's messages over a UDP socket, with a gate before chitchat.
//!
//! ```text
//! other nodes ◀── wire ──▶ seal ──▶ bytes ── gate, inbound only ──▶ codec ──▶ messages of chitchat
//! ```
//!
//! chitchat's own transport decodes whatever arrives: one datagram of 65 kB could unpack to 120 MB. With a cluster key,
//! nothing is read of what was not sealed by it; without one, anyone may gossip, and the gate is what bounds them.

mod blocks;
mod codec;
#[cfg(test)]
mod craft;
mod datagram;
mod error;
mod gate;
mod reader;
#[cfg(test)]
mod rig;
mod table;
mod wire;

use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use anyhow::Result;
use async_trait::async_trait;
use chitchat::{
    ChitchatEnvelope,
    transport::{RecvOutcome, SendOutcome, Socket, Transport},
};
use psi_security::seal::Refusal;
use tracing::warn;

use self::{
    codec::Codec,
    wire::{Seal, Wire},
};
use crate::node::{identity::Identity, log_limit::LogLimit};

pub(crate) use self::gate::Gate;

/// Opens the socket of a gossip loop.
pub(crate) struct GossipTransport {
    gate: Arc<Gate>,
    identity: Arc<Identity>,
}

impl GossipTransport {
    pub(crate) fn new(gate: Arc<Gate>, identity: Arc<Identity>) -> Self {
        Self { gate, identity }
    }

    async fn open_socket(&self, listen: SocketAddr) -> Result<GossipSocket> {
        let (wire, codec) = (Wire::bind(listen).await?, Codec::open().await?);
        let (gate, seal) = (self.gate.clone(), self.identity.subscribe().map(Seal::new));
        Ok(GossipSocket { wire, seal, codec, gate, sender: None, failures: LogLimit::default() })
    }
}

#[async_trait]
impl Transport for GossipTransport {
    async fn open(&self, listen: SocketAddr) -> Result<Box<dyn Socket>> {
        Ok(Box::new(self.open_socket(listen).await?))
    }
}

struct GossipSocket {
    wire: Wire,
    /// `None`: the cluster has no key.
    seal: Option<Seal>,
    codec: Codec,
    gate: Arc<Gate>,
    /// Who sent what is being decoded, and how many bytes.
    sender: Option<(SocketAddr, usize)>,
    failures: LogLimit,
}

impl GossipSocket {
    async fn send_message(&mut self, to: SocketAddr, message: ChitchatEnvelope) -> Result<usize> {
        let bytes = self.codec.encode(message).await?;
        let Some(seal) = &mut self.seal else { return Ok(self.wire.send(to, bytes).await?) };
        let mut sent = 0;
        for datagram in seal.seal(bytes)? {
            sent += self.wire.send(to, &datagram).await?;
        }
        Ok(sent)
    }
}

/// Opens a datagram. One that was sent long ago, or is yet to be, counts if a linked member's clock is that far off:
/// clocks that differ must not cut members off.
fn open(seal: &mut Seal, gate: &Gate, datagram: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    match seal.open(datagram, 0) {
        Err(Refusal::Stale { offset_ms }) if gate.knows_clock(offset_ms) => seal.open(datagram, offset_ms),
        opened => opened,
    }
}

#[async_trait]
impl Socket for GossipSocket {
    fn local_addr(&self) -> Result<SocketAddr> {
        self.wire.local_address()
    }

    /// A message that can't be sent is lost, as on the way. It is no reason to give the socket up.
    async fn send(&mut self, to: SocketAddr, message: ChitchatEnvelope) -> Result<SendOutcome> {
        let sent = self.send_message(to, message).await;
        if let Err(error) = &sent
            && let Some(count) = self.failures.record()
        {
            warn!(%to, count, "can't send gossip: {error:#}");
        }
        Ok(SendOutcome { num_bytes_sent: sent.unwrap_or_default() })
    }

    /// Can be cancelled: a payload that has got to the codec is finished by the next call.
    async fn recv(&mut self) -> Result<RecvOutcome> {
        loop {
            if self.codec.is_decoding() {
                let message = self.codec.finish().await?;
                match (self.sender.take(), message) {
                    (Some((from_addr, num_bytes_received)), Some(envelope)) => {
                        return Ok(RecvOutcome { from_addr, envelope, num_bytes_received });
                    }
                    (Some((from, _)), None) => self.gate.record_undecodable(from),
                    (None, _) => {}
                }
            }
            let (bytes, from) = self.wire.receive().await?;
            let received = bytes.len();
            let payload = match self.seal.as_mut().map(|seal| open(seal, &self.gate, bytes)) {
                None => Cow::Borrowed(bytes),
                Some(Ok(Some(payload))) => Cow::Owned(payload),
                Some(Ok(None)) => continue,
                Some(Err(refusal)) => {
                    self.gate.record_unopened(from, refusal);
                    continue;
                }
            };
            if let Some(admitted) = self.gate.admit(&payload, from) {
                self.sender = Some((from, received));
                self.codec.begin(admitted.into_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests;
