//! One link's side of the protocol: what the peer is known to hold, what is on its way to it, and what has
//! arrived from it so far. Decides nothing about other links; [`crate::Replica`] does.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    clock::TickMs,
    exchange::Backlog,
    name::NodeId,
    origin::{Frontier, Origin, Version},
    pass::{Outgoing, Staging},
    proto,
    refusal::Refusal,
};

/// How often a link's peer hears of origins that moved.
pub(crate) const TELL_MS: u64 = 100;
/// How often a link shows that it is alive, and its clock.
pub(crate) const BEAT_MS: u64 = 2_000;
/// How long the peer may take to acknowledge a pass that was wholly handed to the transport.
const ACK_MS: u64 = 2_000;
/// How long `Open` may stay unanswered before it is repeated.
const OPEN_MS: u64 = 2_000;
/// How long a pass may stand still half arrived until what came of it is forgotten.
const STAGING_MS: u64 = 120_000;
const BACKOFF_MS_MIN: u64 = 1_000;
const BACKOFF_MS_MAX: u64 = 30_000;

/// Names a link among those of one replica; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Who is at the other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub node: NodeId,
    /// Protocol version spoken on the link.
    pub protocol: u32,
}

/// What has crossed a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Entries handed to the transport.
    pub entries_sent: u64,
    /// Entries applied.
    pub entries_received: u64,
    /// Passes begun.
    pub passes_sent: u64,
    /// Passes applied.
    pub passes_received: u64,
    /// Passes that took more than one frame.
    pub passes_cut: u64,
    /// Passes that this side refused.
    pub passes_refused: u64,
    /// Frames of a later minor version that were ignored.
    pub frames_unknown: u64,
}

/// A pass on its way to the peer.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) outgoing: Outgoing,
    pub(crate) sent_at: Option<TickMs>,
}

/// When a pass of an origin may be tried again.
#[derive(Clone, Copy, Debug, Default)]
struct Backoff {
    failures: u32,
    until: TickMs,
}

/// One link.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) peer: Option<Peer>,
    pub(crate) peer_ready: bool,
    pub(crate) open_sent: Option<TickMs>,
    /// The peer is known to have received our `Open`.
    pub(crate) open_heard: bool,
    pub(crate) theirs: Frontier,
    /// Peer's wall clock less ours, milliseconds.
    pub(crate) clock_offset_ms: Option<i64>,
    pub(crate) untold: BTreeSet<Origin>,
    pub(crate) tell_full: bool,
    pub(crate) tell_at: TickMs,
    pub(crate) beat_at: TickMs,
    pub(crate) want_frontier: bool,
    pub(crate) ready_told: bool,
    pub(crate) acks: BTreeSet<Origin>,
    pub(crate) requests: BTreeSet<Origin>,
    /// Passes whose refusal is still to be said.
    pub(crate) refusals: BTreeSet<Origin>,
    /// The latest pass of each origin that was refused, and why: its other frames are not looked at.
    pub(crate) refused: BTreeMap<Origin, (u64, Refusal)>,
    pub(crate) asked: BTreeMap<Origin, Version>,
    pub(crate) flights: BTreeMap<Origin, Flight>,
    backoffs: BTreeMap<Origin, Backoff>,
    pub(crate) staging: BTreeMap<Origin, (Staging, TickMs)>,
    pub(crate) passes: u64,
    /// The origin whose frame went last: the next one's turn comes after it.
    turn: Option<Origin>,
    pub(crate) counts: LinkCounts,
}

impl Link {
    /// A connection that stands since `now`.
    pub(crate) fn new(now: TickMs) -> Self {
        Self { beat_at: now.plus(BEAT_MS), tell_at: now, ..Self::default() }
    }

    /// What is kept until there is room, or the rest has come.
    pub(crate) fn backlog(&self) -> Backlog {
        Backlog {
            frozen_entries: self.flights.values().map(|flight| flight.outgoing.len()).sum(),
            staged_bytes: self.staged_bytes(),
            waiting: self.untold.len() + self.acks.len() + self.requests.len() + self.refusals.len() + self.asked.len(),
        }
    }

    /// Bytes staged of passes that have not wholly arrived.
    pub(crate) fn staged_bytes(&self) -> usize {
        self.staging.values().map(|(staging, _)| staging.bytes()).sum()
    }

    /// Whether `Open` is to be sent (again).
    pub(crate) fn open_is_due(&self, now: TickMs) -> bool {
        !self.open_heard && self.open_sent.is_none_or(|sent| now.since(sent) >= OPEN_MS)
    }

    /// Notes that the peer holds `version`; a pass that it covers has arrived.
    pub(crate) fn peer_holds(&mut self, origin: &Origin, version: Version) {
        if self.theirs.raise(origin, version) {
            self.backoffs.remove(origin);
        }
        if let Some(asked) = self.asked.get_mut(origin) {
            *asked = version.max(*asked);
        }
        let held = self.theirs.version(origin);
        if self.flights.get(origin).is_some_and(|flight| flight.outgoing.version <= held) {
            self.flights.remove(origin);
        }
    }

    /// Notes that a pass of the peer was refused.
    pub(crate) fn refuse(&mut self, origin: &Origin, pass: u64, refusal: Refusal) {
        self.staging.remove(origin);
        self.counts.passes_refused += 1;
        self.refusals.insert(origin.clone());
        self.refused.insert(origin.clone(), (pass, refusal));
    }

    /// Whether a frame belongs to a pass that was refused, or to an earlier one. Its end has the refusal repeated,
    /// for the first may have been lost.
    pub(crate) fn is_refused(&mut self, origin: &Origin, frame: &proto::Pass) -> bool {
        let Some((refused, _)) = self.refused.get(origin).filter(|(refused, _)| frame.pass <= *refused) else {
            return false;
        };
        if frame.pass == *refused && frame.last {
            self.refusals.insert(origin.clone());
        }
        true
    }

    /// Notes that a pass did not get through; the next waits twice as long as the last.
    pub(crate) fn pass_failed(&mut self, origin: &Origin, now: TickMs) {
        self.flights.remove(origin);
        let backoff = self.backoffs.entry(origin.clone()).or_default();
        let wait = BACKOFF_MS_MIN.saturating_mul(1 << backoff.failures.min(10)).min(BACKOFF_MS_MAX);
        *backoff = Backoff { failures: backoff.failures.saturating_add(1), until: now.plus(wait) };
    }

    /// Sends passes again that were sent long ago and never acknowledged, and forgets what came of those that stand
    /// still.
    ///
    /// The same frames are sent again, not those of a newer pass: the peer keeps what has arrived of them, so that a
    /// long pass gets through though each time some frame is lost.
    pub(crate) fn expire(&mut self, now: TickMs) {
        self.staging.retain(|_, (_, progress)| now.since(*progress) < STAGING_MS);
        let late: Vec<Origin> = self
            .flights
            .iter()
            .filter(|(origin, flight)| flight.sent_at.is_some_and(|sent| now >= self.ack_deadline(origin, sent)))
            .map(|(origin, _)| origin.clone())
            .collect();
        for origin in late {
            if let Some(flight) = self.flights.get_mut(&origin) {
                flight.outgoing.rewind();
                flight.sent_at = None;
                let backoff = self.backoffs.entry(origin).or_default();
                backoff.failures = backoff.failures.saturating_add(1);
            }
        }
    }

    fn ack_deadline(&self, origin: &Origin, sent: TickMs) -> TickMs {
        let failures = self.backoffs.get(origin).map_or(0, |backoff| backoff.failures);
        sent.plus((ACK_MS << failures.min(4)).min(BACKOFF_MS_MAX))
    }

    /// Whether a pass of `origin` may begin now.
    pub(crate) fn may_begin(&self, origin: &Origin, now: TickMs) -> bool {
        !self.flights.contains_key(origin) && self.backoff_until(origin) <= now
    }

    fn backoff_until(&self, origin: &Origin) -> TickMs {
        self.backoffs.get(origin).map_or(TickMs(0), |backoff| backoff.until)
    }

    /// The origin whose flight sends the next frame, each in turn.
    pub(crate) fn next_turn(&mut self) -> Option<Origin> {
        let unsent = |(origin, flight): (&Origin, &Flight)| (!flight.outgoing.is_sent()).then(|| origin.clone());
        let next = match &self.turn {
            Some(turn) => {
                let after = (std::ops::Bound::Excluded(turn), std::ops::Bound::Unbounded);
                self.flights.range::<Origin, _>(after).find_map(unsent).or_else(|| self.flights.iter().find_map(unsent))
            }
            None => self.flights.iter().find_map(unsent),
        };
        self.turn.clone_from(&next);
        next
    }

    /// When something falls due on this link by the clock alone, after `ticked`. `own_behind` names the own origin if
    /// the peer lacks some of it.
    pub(crate) fn wake_at(&self, own_behind: Option<&Origin>, ticked: TickMs) -> Option<TickMs> {
        let open = (!self.open_heard).then(|| self.open_sent.map_or(TickMs(0), |sent| sent.plus(OPEN_MS)));
        if self.peer.is_none() {
            return open.filter(|at| *at > ticked);
        }
        let tell = (!self.untold.is_empty()).then_some(self.tell_at);
        let acks = self.flights.iter().filter_map(|(origin, flight)| Some(self.ack_deadline(origin, flight.sent_at?)));
        let retry = own_behind
            .into_iter()
            .chain(self.asked.keys())
            .filter(|origin| !self.flights.contains_key(*origin))
            .map(|origin| self.backoff_until(origin));
        let beat = Some(self.beat_at);
        let due = beat.into_iter().chain(open).chain(tell).chain(acks).chain(retry);
        due.filter(|at| *at > ticked).min()
    }
}
