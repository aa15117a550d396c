//! Which counters of which sessions were seen. Only authentic datagrams come here.
//!
//! No datagram is accepted twice, whatever the clock does. A full table forgets the session that was used least
//! recently. From then on it accepts of sessions that it learns of only what was sent later than anything that was
//! forgotten.

use std::collections::BTreeMap;

use super::{datagram::SessionId, refusal::Refusal};

/// Counters below the newest that are told apart. Gossip is a few datagrams a second and peer, so it overtakes little.
const WINDOW: u64 = 1_024;
const WORD_BITS: u64 = u64::BITS as u64;

/// The sessions of peers, at most so many.
#[derive(Debug)]
pub(super) struct Sessions {
    sessions_max: usize,
    sessions: BTreeMap<SessionId, Session>,
    /// The latest time at which anything was sent of a session that was forgotten.
    forgotten_ms: Option<u64>,
}

#[derive(Debug)]
struct Session {
    window: ReplayWindow,
    /// The latest time at which anything was sent that was accepted.
    sent_at_ms: u64,
    /// What had been forgotten when the session became known: it may have been of this session.
    forgotten_ms: Option<u64>,
}

/// The newest counter, and which of those below it were seen.
#[derive(Debug)]
struct ReplayWindow {
    newest: u64,
    /// Bit `counter % WINDOW` is set if the counter was seen.
    seen: [u64; (WINDOW / WORD_BITS) as usize],
}

impl Sessions {
    pub(super) fn new(sessions_max: usize) -> Self {
        Self { sessions_max: sessions_max.max(1), sessions: BTreeMap::new(), forgotten_ms: None }
    }

    /// Whether anything of the session was accepted before.
    pub(super) fn knows(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Whether the datagram was accepted before, as far as is known.
    pub(super) fn has_seen(&self, session: SessionId, counter: u64) -> bool {
        self.sessions.get(&session).is_some_and(|session| session.window.has_seen(counter))
    }

    /// Accepts a datagram; the same is refused from now on.
    pub(super) fn accept(&mut self, session: SessionId, counter: u64, sent_at_ms: u64) -> Result<(), Refusal> {
        if let Some(session) = self.sessions.get_mut(&session) {
            if session.window.has_seen(counter) {
                return Err(Refusal::Replayed);
            }
            check_forgotten(session.forgotten_ms, sent_at_ms)?;
            session.window.insert(counter);
            session.sent_at_ms = session.sent_at_ms.max(sent_at_ms);
            return Ok(());
        }
        let forgotten_ms = self.forgotten_ms;
        check_forgotten(forgotten_ms, sent_at_ms)?;
        while self.sessions.len() >= self.sessions_max {
            self.forget_oldest();
        }
        let window = ReplayWindow::new(counter);
        self.sessions.insert(session, Session { window, sent_at_ms, forgotten_ms });
        Ok(())
    }

    fn forget_oldest(&mut self) {
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.sent_at_ms).map(|(id, _)| *id);
        if let Some(session) = oldest.and_then(|id| self.sessions.remove(&id)) {
            self.forgotten_ms = self.forgotten_ms.max(Some(session.sent_at_ms));
        }
    }
}

fn check_forgotten(forgotten_ms: Option<u64>, sent_at_ms: u64) -> Result<(), Refusal> {
    if forgotten_ms.is_some_and(|forgotten| sent_at_ms <= forgotten) { Err(Refusal::Overflow) } else { Ok(()) }
}

impl ReplayWindow {
    /// The window of a session of which one datagram was seen.
    fn new(counter: u64) -> Self {
        let mut window = Self { newest: counter, seen: [0; _] };
        window.set(counter);
        window
    }

    /// Counters below the window count as seen.
    fn has_seen(&self, counter: u64) -> bool {
        counter <= self.newest && (self.newest - counter >= WINDOW || self.bit(counter))
    }

    fn insert(&mut self, counter: u64) {
        if counter > self.newest {
            if counter - self.newest >= WINDOW {
                self.seen = [0; _];
            } else {
                (self.newest + 1..counter).for_each(|between| self.clear(between));
            }
            self.newest = counter;
        }
        self.set(counter);
    }

    fn bit(&self, counter: u64) -> bool {
        let (word, bit) = place(counter);
        self.seen[word] & bit != 0
    }

    fn set(&mut self, counter: u64) {
        let (word, bit) = place(counter);
        self.seen[word] |= bit;
    }

    fn clear(&mut self, counter: u64) {
        let (word, bit) = place(counter);
        self.seen[word] &= !bit;
    }
}

fn place(counter: u64) -> (usize, u64) {
    let at = counter % WINDOW;
    ((at / WORD_BITS) as usize, 1 << (at % WORD_BITS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::key::KeyId;

    /// Counters near each other, far apart, and at both ends.
    fn counters() -> impl Strategy<Value = Vec<u64>> {
        let counter = prop_oneof![
            4 => 0..3 * WINDOW,
            1 => (0..4_u64, 0..8_u64).prop_map(|(window, beyond)| window * WINDOW + beyond),
            1 => (u64::MAX - 2 * WINDOW)..=u64::MAX,
        ];
        prop::collection::vec(counter, 1..400)
    }

    proptest! {
        #[test]
        fn a_window_is_the_set_of_what_it_saw_down_to_its_end(counters in counters()) {
            let mut window = ReplayWindow::new(counters[0]);
            let mut seen = BTreeSet::from([counters[0]]);
            for counter in counters {
                let newest = *seen.last().unwrap();
                let want = seen.contains(&counter) || (counter < newest && newest - counter >= WINDOW);
                prop_assert_eq!(window.has_seen(counter), want, "counter {}", counter);
                if !want {
                    window.insert(counter);
                    seen.insert(counter);
                }
            }
        }

        /// Three sessions of room for six, and clocks that run anyhow: the law that eviction could break.
        #[test]
        fn nothing_is_accepted_twice(
            datagrams in prop::collection::vec((0..6_u8, 0..4_u64, 0..50_u64), 1..300)
        ) {
            let mut sessions = Sessions::new(3);
            let (mut accepted, mut sent_at) = (BTreeSet::new(), BTreeMap::new());
            for (session, counter, at) in datagrams {
                // A datagram was sent once, so it says one time.
                let at = *sent_at.entry((session, counter)).or_insert(at);
                let id = (KeyId::from_bytes([session; 8]), [session; 16]);
                if sessions.accept(id, counter, at).is_ok() {
                    prop_assert!(accepted.insert((session, counter)), "session {} counter {}", session, counter);
                }
                prop_assert!(sessions.sessions.len() <= 3);
            }
        }
    }
}
