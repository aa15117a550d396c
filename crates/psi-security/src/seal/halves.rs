//! Halves of payloads that wait for the other. Only authentic datagrams come here.

use std::collections::BTreeMap;

use super::{
    datagram::{Part, SessionId},
    refusal::FRESHNESS_MS,
};
use crate::key::KeyRing;

/// Most halves that wait at once; 4 MB. One more drops the one that was sent first.
const HALVES_MAX: usize = 64;

/// Halves by session and by the counter of the first of both.
#[derive(Debug, Default)]
pub(super) struct Halves(BTreeMap<(SessionId, u64), Half>);

#[derive(Debug)]
struct Half {
    part: Part,
    sent_at_ms: u64,
    payload: Vec<u8>,
}

impl Halves {
    /// The whole payload, if the other half is here already. Else this half waits.
    pub(super) fn join(
        &mut self,
        now_ms: u64,
        id: (SessionId, u64),
        part: Part,
        sent_at_ms: u64,
        payload: Vec<u8>,
    ) -> Option<Vec<u8>> {
        self.0.retain(|_, half| half.sent_at_ms.abs_diff(now_ms) <= FRESHNESS_MS);
        match self.0.remove(&id) {
            Some(other) if other.part != part => {
                let (mut first, second) =
                    if part == Part::First { (payload, other.payload) } else { (other.payload, payload) };
                first.extend_from_slice(&second);
                Some(first)
            }
            _ => {
                self.make_room();
                self.0.insert(id, Half { part, sent_at_ms, payload });
                None
            }
        }
    }

    /// Drops what is sealed by a key that is gone.
    pub(super) fn retain_keys(&mut self, keys: &KeyRing) {
        self.0.retain(|(session, _), _| keys.find(session.0).is_some());
    }

    fn make_room(&mut self) {
        while self.0.len() >= HALVES_MAX {
            let oldest = self.0.iter().min_by_key(|(_, half)| half.sent_at_ms).map(|(id, _)| *id);
            oldest.and_then(|id| self.0.remove(&id));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
