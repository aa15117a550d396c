//! The seal of gossip: with a cluster key, datagrams are sealed on the way out and opened on the way in, before anything
//! is read of them.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use psi_security::{
    key::KeyRing,
    seal::{Opener, Refusal, Sealer},
};
use tokio::sync::watch;

use crate::node::identity::Credentials;

/// The seal of one gossip loop.
pub(in crate::cluster::transport) struct Seal {
    credentials: watch::Receiver<Arc<Credentials>>,
    ring: KeyRing,
    sealer: Sealer,
    opener: Opener,
}

impl Seal {
    /// A seal that follows the cluster key.
    pub(in crate::cluster::transport) fn new(mut credentials: watch::Receiver<Arc<Credentials>>) -> Self {
        let current = credentials.borrow_and_update().clone();
        let (sealer, opener) = (sealer(&current), Opener::new(current.ring.clone(), &current.cluster));
        Self { ring: current.ring.clone(), credentials, sealer, opener }
    }

    /// Takes over another key.
    fn follow(&mut self) {
        if self.credentials.has_changed().unwrap_or(false) {
            let current = self.credentials.borrow_and_update().clone();
            // Certificates and lists of tokens change too, and the session of gossip is not to end with them.
            if current.ring == self.ring {
                return;
            }
            self.ring = current.ring.clone();
            self.sealer = sealer(&current);
            self.opener.replace_keys(current.ring.clone());
        }
    }

    /// The datagrams of a payload: one, or two where it is as long as a datagram may be.
    pub(in crate::cluster::transport) fn seal(&mut self, payload: &[u8]) -> anyhow::Result<Vec<Vec<u8>>> {
        self.follow();
        if let Ok(datagrams) = self.sealer.seal(wall_ms(), payload) {
            return Ok(datagrams);
        }
        // Its counter may have come to an end, and another session begins with another.
        self.sealer = sealer(&self.credentials.borrow());
        Ok(self.sealer.seal(wall_ms(), payload)?)
    }

    /// What was sealed not long ago, by a clock that is ahead of this machine's by so much; `None` if it is half of it.
    pub(in crate::cluster::transport) fn open(
        &mut self,
        datagram: &[u8],
        ahead_ms: i64,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        self.follow();
        Ok(self.opener.open(wall_ms().saturating_add_signed(ahead_ms), datagram)?.map(|message| message.payload))
    }
}

fn sealer(credentials: &Credentials) -> Sealer {
    Sealer::new(credentials.ring.first(), &credentials.cluster, rand::random())
}

fn wall_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
