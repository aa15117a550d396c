//! Opens what the nodes of a cluster sealed.

use super::{
    datagram::{Cipher, Header, Part, SENT_AT_BYTES, SessionId, TAG_BYTES},
    halves::Halves,
    refusal::{FRESHNESS_MS, Refusal},
    sessions::Sessions,
};
use crate::key::{KeyId, KeyRing};

/// Most sessions that are remembered; about 1 MB. A cluster has one a node, and one more a restart or rotation.
const SESSIONS_MAX: usize = 4_096;

/// Opens datagrams that were sealed by any key of a ring for one cluster.
#[derive(Debug)]
pub struct Opener {
    keys: KeyRing,
    cluster: String,
    sessions: Sessions,
    halves: Halves,
}

/// What was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The payload, joined if it came in two parts.
    pub payload: Vec<u8>,
    /// When it was sent by the sender's clock, in milliseconds since 1970.
    pub sent_at_ms: u64,
    /// By which key it was sealed: in a rotation, who still seals by the old one.
    pub key_id: KeyId,
}

impl Opener {
    /// Opens for a cluster, by the keys of a ring.
    #[must_use]
    pub fn new(keys: KeyRing, cluster: &str) -> Self {
        Self { keys, cluster: cluster.to_owned(), sessions: Sessions::new(SESSIONS_MAX), halves: Halves::default() }
    }

    /// One that remembers fewer sessions.
    #[cfg(test)]
    pub(super) fn with_sessions_max(keys: KeyRing, cluster: &str, sessions_max: usize) -> Self {
        Self { sessions: Sessions::new(sessions_max), ..Self::new(keys, cluster) }
    }

    /// Changes the keys. What was seen stays seen, so a key that comes back opens no replay.
    pub fn replace_keys(&mut self, keys: KeyRing) {
        self.halves.retain_keys(&keys);
        self.keys = keys;
    }

    /// Opens a datagram: the message, or `None` if it is one half and the other is yet to come.
    ///
    /// # Errors
    /// [`Refusal`], and nothing is kept of the datagram.
    pub fn open(&mut self, now_ms: u64, datagram: &[u8]) -> Result<Option<Message>, Refusal> {
        let (header, sealed) = Header::split(datagram)?;
        let (sent_at_ms, payload) = self.decrypt(&header, sealed)?;
        // A replay says so rather than that a clock is wrong, as far as its session is known.
        if self.sessions.has_seen(header.session, header.counter) {
            return Err(Refusal::Replayed);
        }
        // A session that is known can't be a recording: its counters go on. So its clock may be set meanwhile.
        if !self.sessions.knows(header.session) {
            check_freshness(now_ms, sent_at_ms)?;
        }
        self.sessions.accept(header.session, header.counter, sent_at_ms)?;
        let payload = match pair_of(&header) {
            None => Some(payload),
            Some(id) => self.halves.join(now_ms, id, header.part, sent_at_ms, payload),
        };
        Ok(payload.map(|payload| Message { payload, sent_at_ms, key_id: header.session.0 }))
    }

    fn decrypt(&self, header: &Header, sealed: &[u8]) -> Result<(u64, Vec<u8>), Refusal> {
        let (key_id, session) = header.session;
        let key = self.keys.find(key_id).ok_or(Refusal::UnknownKey(key_id))?;
        let (text, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(Refusal::Malformed)?;
        let mut text = text.to_vec();
        if !Cipher::new(key, &self.cluster, &session).decrypt(header, &mut text, *tag) {
            return Err(Refusal::Forged(key_id));
        }
        let sent_at = *text.first_chunk::<SENT_AT_BYTES>().ok_or(Refusal::Malformed)?;
        text.drain(..SENT_AT_BYTES);
        Ok((u64::from_be_bytes(sent_at), text))
    }

    #[cfg(test)]
    pub(super) fn waiting_halves(&self) -> usize {
        self.halves.len()
    }
}

fn check_freshness(now_ms: u64, sent_at_ms: u64) -> Result<(), Refusal> {
    let apart = sent_at_ms.abs_diff(now_ms);
    if apart <= FRESHNESS_MS {
        return Ok(());
    }
    let apart = i64::try_from(apart).unwrap_or(i64::MAX);
    Err(Refusal::Stale { offset_ms: if sent_at_ms < now_ms { -apart } else { apart } })
}

/// What both halves of a payload share: their session, and the counter of the first.
fn pair_of(header: &Header) -> Option<(SessionId, u64)> {
    match header.part {
        Part::Whole => None,
        Part::First => Some((header.session, header.counter)),
        Part::Second => header.counter.checked_sub(1).map(|first| (header.session, first)),
    }
}
