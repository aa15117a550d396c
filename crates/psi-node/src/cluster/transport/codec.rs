//! Messages of chitchat as bytes, and bytes as messages. chitchat encodes them in its own UDP socket only, so one of
//! those is bound to loopback and talks to a socket of ours:
//!
//! ```text
//! encode: message ─▶ chitchat's socket ── loopback ─▶ ours ─▶ bytes
//! decode: bytes ─▶ ours ── loopback ─▶ chitchat's socket ─▶ message
//! ```
//!
//! chitchat's socket says nothing of what it can't decode. So a mark follows each payload: a message that no node
//! sends, with a number. Once that comes out, what came before it is all there is. Other processes of the machine can
//! send to both sockets; neither takes what does not come from the other.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use chitchat::{
    ChitchatEnvelope, ChitchatMessage,
    transport::{Socket as _, UdpSocket as ChitchatSocket},
};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout, timeout_at},
};

/// Loopback delivers at once; this long is waited on a machine that is busy.
const ENCODED: Duration = Duration::from_secs(1);
/// A mark that does not come out was lost, if another process fills the socket; it is sent again after this.
const MARK_AGAIN: Duration = Duration::from_millis(50);
/// A payload is given up after so many marks.
const MARKS_MAX: u32 = 20;
/// More than any datagram has.
const BUFFER: usize = 65_536;

pub(super) struct Codec {
    theirs: ChitchatSocket,
    /// Connected to the other, so that it receives from no one else.
    ours: UdpSocket,
    our_address: SocketAddr,
    buffer: Box<[u8]>,
    /// The number of the latest mark.
    number: u64,
    /// A call that is cancelled leaves it to the next.
    decode: Option<Decode>,
}

/// A payload that is being decoded.
struct Decode {
    /// Until it has been sent.
    payload: Option<Vec<u8>>,
    /// How many marks were sent after it, and when the next is due.
    marks: u32,
    mark_due: Instant,
    /// What has come out so far.
    message: Option<ChitchatEnvelope>,
}

impl Codec {
    pub(super) async fn open() -> Result<Self> {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let theirs = ChitchatSocket::open(loopback).await?;
        let ours = UdpSocket::bind(loopback).await?;
        ours.connect(theirs.local_addr()?).await?;
        let our_address = ours.local_addr()?;
        let buffer = vec![0; BUFFER].into();
        Ok(Self { theirs, ours, our_address, buffer, number: 0, decode: None })
    }

    /// Where its two sockets are.
    #[cfg(test)]
    pub(super) fn addresses(&self) -> [SocketAddr; 2] {
        [self.our_address, self.theirs.local_addr().expect("an address")]
    }

    /// The bytes of a message.
    ///
    /// # Errors
    /// If it is longer than a datagram may be.
    pub(super) async fn encode(&mut self, message: ChitchatEnvelope) -> Result<&[u8]> {
        // What a call left that was cancelled.
        while self.ours.try_recv(&mut self.buffer).is_ok() {}
        let sent = self.theirs.send(self.our_address, message).await?.num_bytes_sent;
        let mut length = timeout(ENCODED, self.ours.recv(&mut self.buffer)).await.context("it was lost")??;
        // Loopback has delivered by now, so the last one is this message.
        while let Ok(later) = self.ours.try_recv(&mut self.buffer) {
            length = later;
        }
        anyhow::ensure!(length == sent, "it has {sent} bytes, and {length} came out");
        Ok(&self.buffer[..length])
    }

    /// Whether [`Self::finish`] has something to do.
    pub(super) fn is_decoding(&self) -> bool {
        self.decode.is_some()
    }

    /// Begins to decode a payload.
    pub(super) fn begin(&mut self, payload: Vec<u8>) {
        self.number += 1;
        self.decode = Some(Decode { payload: Some(payload), marks: 0, mark_due: Instant::now(), message: None });
    }

    /// The message of the payload that was begun, if it is one. Can be cancelled: the next call goes on from there.
    ///
    /// # Errors
    /// If chitchat's socket is of no use any more.
    pub(super) async fn finish(&mut self) -> Result<Option<ChitchatEnvelope>> {
        while let Some(decode) = &mut self.decode {
            if let Some(payload) = &decode.payload {
                if self.ours.send(payload).await.is_err() {
                    break;
                }
                decode.payload = None;
            }
            if decode.mark_due <= Instant::now() {
                if decode.marks == MARKS_MAX || self.ours.send(&mark(self.number)).await.is_err() {
                    break;
                }
                decode.marks += 1;
                decode.mark_due = Instant::now() + MARK_AGAIN;
            }
            let Ok(received) = timeout_at(decode.mark_due, self.theirs.recv()).await else { continue };
            let received = received?;
            if received.from_addr != self.our_address {
                continue;
            }
            match mark_number(&received.envelope) {
                None => decode.message = Some(received.envelope),
                Some(number) if number == self.number => break,
                // All before it belongs to an earlier payload.
                Some(_) => decode.message = None,
            }
        }
        Ok(self.decode.take().and_then(|decode| decode.message))
    }
}

/// What no name of a cluster begins with.
const MARK: char = '\u{1}';

/// A first message without members, of a cluster that is called by a number.
fn mark(number: u64) -> Vec<u8> {
    const HEADER: [u8; 4] = [0x53, 0xb0, 0, 0];
    const NO_MEMBERS: [u8; 2] = [0, 0];
    let cluster = format!("{MARK}{number}");
    let length = u16::try_from(cluster.len()).unwrap_or_default().to_le_bytes();
    [&HEADER[..], &NO_MEMBERS, &length, cluster.as_bytes()].concat()
}

fn mark_number(message: &ChitchatEnvelope) -> Option<u64> {
    match &message.message {
        ChitchatMessage::Syn { cluster_id, .. } => cluster_id.strip_prefix(MARK)?.parse().ok(),
        _ => None,
    }
}
