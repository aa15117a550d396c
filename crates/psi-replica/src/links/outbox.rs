//! Deltas from this side of a link to the peer: what the peer asked for, what is in flight, and what waits after a
//! failure.

use std::collections::BTreeMap;

use super::round_trip::{RoundTrip, TIMEOUT_MS_MAX};
use crate::{
    delta::outgoing::OutgoingDelta,
    entry::{
        clock::TickMs,
        origin::{Origin, Version},
    },
    proto,
};

const BACKOFF_MS_MIN: u64 = 1_000;
/// Most deltas in flight at once on a link, the own origin's apart.
pub(crate) const IN_FLIGHT_MAX: usize = 256;

/// A delta on its way to the peer.
#[derive(Debug)]
struct InFlightDelta {
    delta: OutgoingDelta,
    /// When its last frame was handed to the transport.
    sent_at: Option<TickMs>,
    /// How often it was sent again.
    tries: u32,
}

impl InFlightDelta {
    fn deadline(&self, round_trip: RoundTrip) -> Option<TickMs> {
        Some(self.sent_at?.plus(round_trip.timeout_ms(self.delta.bytes(), self.tries)))
    }
}

/// When a delta of an origin may be tried again.
#[derive(Clone, Copy, Debug, Default)]
struct Backoff {
    failures: u32,
    until: TickMs,
}

/// A delta that has arrived at the peer.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) origin: Origin,
    pub(crate) version: Version,
    /// How long the answer took, if that shows the round trip.
    pub(crate) took_ms: Option<u64>,
}

/// All deltas to one peer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Origins that the peer pulls, and what it holds of them.
    pull_queue: BTreeMap<Origin, Version>,
    in_flight: BTreeMap<Origin, InFlightDelta>,
    backoffs: BTreeMap<Origin, Backoff>,
    /// Deltas begun: the number of the latest.
    begun: u64,
    /// The origin whose frame went last: the next one's turn comes after it.
    turn: Option<Origin>,
}

impl Outbox {
    /// Entries of deltas in flight.
    pub(crate) fn frozen_entries(&self) -> usize {
        self.in_flight.values().map(|in_flight| in_flight.delta.len()).sum()
    }

    /// Origins that the peer pulls and that wait for their turn.
    pub(crate) fn pulled(&self) -> usize {
        self.pull_queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Takes a pull: the peer holds `have` of an origin.
    pub(crate) fn record_pull(&mut self, origin: Origin, have: Version) {
        self.pull_queue.insert(origin, have);
    }

    /// Whether a delta of `origin` may begin now.
    pub(crate) fn may_begin(&self, origin: &Origin, now: TickMs) -> bool {
        !self.in_flight.contains_key(origin) && self.backoff_until(origin) <= now
    }

    /// Takes pulls whose delta may begin now out of the queue, as many as there is room for.
    pub(crate) fn take_pulls(&mut self, now: TickMs) -> Vec<(Origin, Version)> {
        let room = IN_FLIGHT_MAX.saturating_sub(self.in_flight.len());
        let next = self.pull_queue.keys().filter(|origin| self.may_begin(origin, now)).take(room);
        let next: Vec<Origin> = next.cloned().collect();
        next.into_iter().filter_map(|origin| self.pull_queue.remove_entry(&origin)).collect()
    }

    /// Begins a delta; `freeze` is given its number.
    pub(crate) fn begin(&mut self, origin: &Origin, freeze: impl FnOnce(u64) -> OutgoingDelta) {
        self.begun += 1;
        let in_flight = InFlightDelta { delta: freeze(self.begun), sent_at: None, tries: 0 };
        self.in_flight.insert(origin.clone(), in_flight);
    }

    /// The next frame of some delta in flight, each delta in turn.
    pub(crate) fn next_frame(&mut self, now: TickMs, frame_bytes: usize) -> Option<proto::Delta> {
        let origin = self.next_turn()?;
        let in_flight = self.in_flight.get_mut(&origin)?;
        let frame = in_flight.delta.next_frame(frame_bytes)?;
        if frame.last {
            in_flight.sent_at = Some(now);
        }
        Some(frame)
    }

    fn next_turn(&mut self) -> Option<Origin> {
        let unsent =
            |(origin, in_flight): (&Origin, &InFlightDelta)| (!in_flight.delta.is_sent()).then(|| origin.clone());
        let first = || self.in_flight.iter().find_map(unsent);
        let next = match &self.turn {
            Some(turn) => {
                let after = (std::ops::Bound::Excluded(turn), std::ops::Bound::Unbounded);
                self.in_flight.range::<Origin, _>(after).find_map(unsent).or_else(first)
            }
            None => first(),
        };
        self.turn.clone_from(&next);
        next
    }

    /// Takes the acknowledgement of a delta.
    pub(crate) fn acknowledge(&mut self, now: TickMs, number: u64) -> Option<Delivery> {
        let (origin, in_flight) = self.in_flight.iter().find(|(_, in_flight)| in_flight.delta.number() == number)?;
        let took_ms = in_flight.sent_at.filter(|_| in_flight.tries == 0).map(|sent_at| now.since(sent_at));
        Some(Delivery { origin: origin.clone(), version: in_flight.delta.version(), took_ms })
    }

    /// Whether this delta of `origin` is in flight.
    pub(crate) fn has(&self, origin: &Origin, number: u64) -> bool {
        self.in_flight.get(origin).is_some_and(|in_flight| in_flight.delta.number() == number)
    }

    /// The peer holds `held` of an origin: a delta that it covers has arrived, and a pull begins there. `moved` if that
    /// was news.
    pub(crate) fn record_peer(&mut self, origin: &Origin, held: Version, moved: bool) {
        if moved {
            self.backoffs.remove(origin);
        }
        if let Some(have) = self.pull_queue.get_mut(origin) {
            *have = held.max(*have);
        }
        if self.in_flight.get(origin).is_some_and(|in_flight| in_flight.delta.version() <= held) {
            self.in_flight.remove(origin);
        }
    }

    /// Forgets all that is to be sent of an origin.
    pub(crate) fn forget(&mut self, origin: &Origin) {
        self.pull_queue.remove(origin);
        self.in_flight.remove(origin);
        self.backoffs.remove(origin);
    }

    /// Forgets a delta whose base the peer does not hold.
    pub(crate) fn abandon(&mut self, origin: &Origin) {
        self.in_flight.remove(origin);
    }

    /// Records that a delta did not get through; the next waits twice as long as the last.
    pub(crate) fn record_failure(&mut self, origin: &Origin, now: TickMs) {
        self.in_flight.remove(origin);
        let backoff = self.backoffs.entry(origin.clone()).or_default();
        let wait = BACKOFF_MS_MIN.saturating_mul(1 << backoff.failures.min(10)).min(TIMEOUT_MS_MAX);
        *backoff = Backoff { failures: backoff.failures.saturating_add(1), until: now.plus(wait) };
    }

    fn backoff_until(&self, origin: &Origin) -> TickMs {
        self.backoffs.get(origin).map_or(TickMs(0), |backoff| backoff.until)
    }

    /// Sends deltas again that were sent long ago and never acknowledged; returns how many.
    ///
    /// The same frames are sent again, not those of a newer delta. The peer keeps what has arrived of them, so a long
    /// delta gets through though some frame is lost each time.
    pub(crate) fn resend_late(&mut self, now: TickMs, round_trip: RoundTrip) -> u64 {
        let mut resent = 0;
        let is_late = |in_flight: &&mut InFlightDelta| in_flight.deadline(round_trip).is_some_and(|at| at <= now);
        for in_flight in self.in_flight.values_mut().filter(is_late) {
            in_flight.delta.rewind();
            in_flight.sent_at = None;
            in_flight.tries = in_flight.tries.saturating_add(1);
            resent += 1;
        }
        resent
    }

    /// Times at which something falls due. `own_behind` names the own origin if the peer is behind on it.
    pub(crate) fn due<'a>(
        &'a self,
        own_behind: Option<&'a Origin>,
        round_trip: RoundTrip,
    ) -> impl Iterator<Item = TickMs> + 'a {
        let deadlines = self.in_flight.values().filter_map(move |in_flight| in_flight.deadline(round_trip));
        let waiting = own_behind.into_iter().chain(self.pull_queue.keys());
        let retries =
            waiting.filter(|origin| !self.in_flight.contains_key(*origin)).map(|origin| self.backoff_until(origin));
        deadlines.chain(retries)
    }
}
