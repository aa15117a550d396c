//! One link's side of the protocol: what the peer is known to hold, what is on its way to it, and what has
//! arrived from it so far. Decides nothing about other links; [`crate::Replica`] does.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    clock::{Now, TickMs, WallMs},
    exchange::Backlog,
    frontier::Frontier,
    name::NodeId,
    news::{Listener, ORIGINS_MAX, Teller},
    origin::{Origin, Version},
    pass::{Outgoing, Staging},
    proto,
    refusal::Refusal,
    round_trip::{RoundTrip, TIMEOUT_MS_MAX, transfer_ms},
};

/// How often a link shows that it is alive, and its clock.
pub(crate) const BEAT_MS: u64 = 2_000;
/// How long `Open` may stay unanswered before it is repeated.
const OPEN_MS: u64 = 1_000;
/// How long a pass may stand still half arrived until what came of it is forgotten.
const STAGING_MS: u64 = 120_000;
/// How long a pass that is arriving may stand still until another peer is asked.
const STALLED_MS: u64 = 2_000;
/// How long a pass may take to arrive, beyond what its bytes take on a slow transport, until another peer is asked.
const ARRIVING_MS: u64 = 500;
const BACKOFF_MS_MIN: u64 = 1_000;
/// Most passes under way at once on a link, the own origin's apart.
pub(crate) const FLIGHTS_MAX: usize = 256;
/// Most passes that may be half arrived at once on a link; an honest peer sends [`FLIGHTS_MAX`] and its own.
pub(crate) const STAGINGS_MAX: usize = 4 * FLIGHTS_MAX;

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
    /// Passes and news that were sent again because no answer came in time.
    pub resent: u64,
}

/// A pass on its way to the peer.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) outgoing: Outgoing,
    /// When its last frame was handed to the transport.
    sent_at: Option<TickMs>,
    /// How often it was sent again.
    tries: u32,
}

impl Flight {
    fn deadline(&self, round_trip: RoundTrip) -> Option<TickMs> {
        Some(self.sent_at?.plus(round_trip.timeout_ms(self.outgoing.bytes(), self.tries)))
    }
}

/// How a pass is arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Arrival {
    /// It began a moment ago.
    Begun,
    /// It goes on, no slower than a slow transport brings it.
    Steady,
}

/// When a pass of an origin may be tried again.
#[derive(Clone, Copy, Debug, Default)]
struct Backoff {
    failures: u32,
    until: TickMs,
}

/// One link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: Option<Peer>,
    pub(crate) peer_ready: bool,
    pub(crate) open_sent: Option<TickMs>,
    /// The peer is known to have received our `Open`.
    pub(crate) open_heard: bool,
    /// What the peer is known to hold.
    theirs: Frontier,
    /// What the peer's wall clock showed, and when by the monotonic one: a jump of the own wall clock is seen at once.
    clock: Option<(TickMs, WallMs)>,
    pub(crate) teller: Teller,
    pub(crate) listener: Listener,
    pub(crate) round_trip: RoundTrip,
    pub(crate) beat_at: TickMs,
    pub(crate) ready_told: bool,
    /// Since when the peer lacks something of the own origin.
    pub(crate) behind_since: Option<TickMs>,
    /// The peer's state was found to differ though it holds the same.
    pub(crate) diverged: bool,
    /// Numbers of passes whose arrival is to be said.
    pub(crate) acks: BTreeSet<u64>,
    pub(crate) requests: BTreeSet<Origin>,
    /// Passes whose refusal is still to be said.
    pub(crate) refusals: BTreeSet<Origin>,
    /// The latest pass of each origin that was refused, and why: its other frames are not looked at.
    pub(crate) refused: BTreeMap<Origin, (u64, Refusal)>,
    pub(crate) asked: BTreeMap<Origin, Version>,
    flights: BTreeMap<Origin, Flight>,
    backoffs: BTreeMap<Origin, Backoff>,
    staging: BTreeMap<Origin, (Staging, TickMs)>,
    staged_bytes: usize,
    /// Bytes of entries that passes have brought over this link.
    arrived_bytes: usize,
    passes: u64,
    /// The origin whose frame went last: the next one's turn comes after it.
    turn: Option<Origin>,
    pub(crate) counts: LinkCounts,
}

impl Link {
    /// A connection that stands since `now`, to a peer that will be told of `frontier`.
    pub(crate) fn new(now: TickMs, frontier: &Frontier) -> Self {
        Self {
            peer: None,
            peer_ready: false,
            open_sent: None,
            open_heard: false,
            theirs: Frontier::default(),
            clock: None,
            teller: Teller::new(now, frontier),
            listener: Listener::default(),
            round_trip: RoundTrip::default(),
            beat_at: now.plus(BEAT_MS),
            ready_told: false,
            behind_since: None,
            diverged: false,
            acks: BTreeSet::new(),
            requests: BTreeSet::new(),
            refusals: BTreeSet::new(),
            refused: BTreeMap::new(),
            asked: BTreeMap::new(),
            flights: BTreeMap::new(),
            backoffs: BTreeMap::new(),
            staging: BTreeMap::new(),
            staged_bytes: 0,
            arrived_bytes: 0,
            passes: 0,
            turn: None,
            counts: LinkCounts::default(),
        }
    }

    /// Notes what the peer's wall clock shows.
    pub(crate) fn note_clock(&mut self, now: Now, peer_wall: WallMs) {
        self.clock = Some((now.tick, peer_wall));
    }

    /// Peer's wall clock less this node's, milliseconds.
    pub(crate) fn clock_offset_ms(&self, now: Now) -> Option<i64> {
        let (at, wall) = self.clock?;
        let offset = i128::from(wall.0) + i128::from(now.tick.since(at)) - i128::from(now.wall.0);
        Some(i64::try_from(offset).unwrap_or(if offset > 0 { i64::MAX } else { i64::MIN }))
    }

    /// What the peer is known to hold; see [`Link::knows_theirs`].
    pub(crate) fn theirs(&self) -> &Frontier {
        &self.theirs
    }

    /// Whether the peer has told everything that it held when the link opened.
    pub(crate) fn knows_theirs(&self) -> bool {
        self.listener.is_complete()
    }

    /// What is kept until there is room, or the rest has come.
    pub(crate) fn backlog(&self) -> Backlog {
        Backlog {
            frozen_entries: self.flights.values().map(|flight| flight.outgoing.len()).sum(),
            staged_bytes: self.staged_bytes,
            waiting: self.teller.waiting()
                + self.acks.len()
                + self.requests.len()
                + self.refusals.len()
                + self.asked.len(),
        }
    }

    /// Whether `Open` is to be sent (again).
    pub(crate) fn open_is_due(&self, now: TickMs) -> bool {
        !self.open_heard && self.open_sent.is_none_or(|sent| now.since(sent) >= OPEN_MS)
    }

    /// Notes that the peer holds `version`; a pass that it covers has arrived.
    pub(crate) fn peer_holds(&mut self, origin: &Origin, version: Version) {
        self.listener.shown(origin, version);
        if self.theirs.raise(origin, version) {
            self.backoffs.remove(origin);
        }
        let held = self.theirs.version(origin);
        if let Some(asked) = self.asked.get_mut(origin) {
            *asked = held.max(*asked);
        }
        if self.flights.get(origin).is_some_and(|flight| flight.outgoing.version <= held) {
            self.flights.remove(origin);
        }
    }

    /// Replaces all that was known of the peer's frontier by what it has listed.
    pub(crate) fn peer_listed(&mut self, listed: Frontier) {
        self.theirs = listed;
    }

    /// Notes that the peer is to be asked for a pass. One that lists others each time and takes no requests must not
    /// have all of them kept: what is lacking is asked for again.
    pub(crate) fn request(&mut self, origin: &Origin) {
        if self.requests.len() < ORIGINS_MAX {
            self.requests.insert(origin.clone());
        }
    }

    // --- Passes to the peer

    /// Whether a pass of `origin` may begin now.
    pub(crate) fn may_begin(&self, origin: &Origin, now: TickMs) -> bool {
        !self.flights.contains_key(origin) && self.backoff_until(origin) <= now
    }

    /// Origins that were asked for and of which a pass may begin now, as many as there is room for.
    pub(crate) fn next_asked(&self, now: TickMs) -> Vec<Origin> {
        let room = FLIGHTS_MAX.saturating_sub(self.flights.len());
        self.asked.keys().filter(|origin| self.may_begin(origin, now)).take(room).cloned().collect()
    }

    /// Begins a pass; `freeze` is given its number.
    pub(crate) fn begin(&mut self, origin: &Origin, freeze: impl FnOnce(u64) -> Outgoing) {
        self.passes += 1;
        self.counts.passes_sent += 1;
        let flight = Flight { outgoing: freeze(self.passes), sent_at: None, tries: 0 };
        self.flights.insert(origin.clone(), flight);
    }

    /// The next frame of some pass under way, each pass in turn.
    pub(crate) fn next_pass_frame(&mut self, now: TickMs, frame_bytes: usize) -> Option<proto::Pass> {
        let origin = self.next_turn()?;
        let flight = self.flights.get_mut(&origin)?;
        let frame = flight.outgoing.next_frame(frame_bytes)?;
        if frame.last {
            flight.sent_at = Some(now);
        }
        self.counts.entries_sent += frame.entries.len() as u64;
        self.counts.passes_cut += u64::from(frame.last && frame.index > 0);
        Some(frame)
    }

    fn next_turn(&mut self) -> Option<Origin> {
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

    /// Takes the news that a pass has arrived: whose, and the version that the peer now holds.
    pub(crate) fn acknowledged(&mut self, now: TickMs, pass: u64) -> Option<(Origin, Version)> {
        let (origin, flight) = self.flights.iter().find(|(_, flight)| flight.outgoing.pass() == pass)?;
        let arrived = (origin.clone(), flight.outgoing.version);
        if let Some(sent_at) = flight.sent_at.filter(|_| flight.tries == 0) {
            self.round_trip.sample(now.since(sent_at));
        }
        Some(arrived)
    }

    /// Whether this pass of `origin` is under way.
    pub(crate) fn is_under_way(&self, origin: &Origin, pass: u64) -> bool {
        self.flights.get(origin).is_some_and(|flight| flight.outgoing.pass() == pass)
    }

    /// Notes that a pass did not get through; the next waits twice as long as the last.
    pub(crate) fn pass_failed(&mut self, origin: &Origin, now: TickMs) {
        self.flights.remove(origin);
        let backoff = self.backoffs.entry(origin.clone()).or_default();
        let wait = BACKOFF_MS_MIN.saturating_mul(1 << backoff.failures.min(10)).min(TIMEOUT_MS_MAX);
        *backoff = Backoff { failures: backoff.failures.saturating_add(1), until: now.plus(wait) };
    }

    /// Corrects what is believed of the peer: it has said that it holds no more of `origin`.
    pub(crate) fn peer_holds_only(&mut self, origin: &Origin, version: Version) {
        if version < self.theirs.version(origin) {
            self.theirs.set(origin, version);
            self.flights.remove(origin);
        }
    }

    fn backoff_until(&self, origin: &Origin) -> TickMs {
        self.backoffs.get(origin).map_or(TickMs(0), |backoff| backoff.until)
    }

    /// Whether nothing is under way to the peer, and all was told and heard.
    pub(crate) fn is_settled(&self) -> bool {
        self.teller.is_settled() && self.flights.is_empty() && self.acks.is_empty()
    }

    // --- Passes from the peer

    /// Passes that have not wholly arrived: their number and the bytes of all.
    pub(crate) fn staged(&self) -> (usize, usize) {
        (self.staging.len(), self.staged_bytes)
    }

    pub(crate) fn staging(&self, origin: &Origin) -> Option<&Staging> {
        self.staging.get(origin).map(|(staging, _)| staging)
    }

    /// How a pass of `origin` is arriving, if one is and it is worth waiting for.
    pub(crate) fn arrival(&self, origin: &Origin, now: TickMs) -> Option<Arrival> {
        let (staging, progress) = self.staging.get(origin)?;
        let (began, arrived_before) = staging.began?;
        if now.since(*progress) >= STALLED_MS {
            return None;
        }
        let took = now.since(began);
        // Passes share a link, so the pace is that of all of them.
        let steady = took < ARRIVING_MS + transfer_ms(self.arrived_bytes.saturating_sub(arrived_before));
        match took < ARRIVING_MS {
            true => Some(Arrival::Begun),
            false => steady.then_some(Arrival::Steady),
        }
    }

    /// Counts entries of a pass that came.
    pub(crate) fn note_arrived(&mut self, bytes: usize) {
        self.arrived_bytes = self.arrived_bytes.saturating_add(bytes);
    }

    pub(crate) fn take_staging(&mut self, origin: &Origin) -> Option<Staging> {
        let (staging, _) = self.staging.remove(origin)?;
        self.staged_bytes -= staging.bytes();
        Some(staging)
    }

    pub(crate) fn put_staging(&mut self, now: TickMs, origin: &Origin, mut staging: Staging) {
        self.take_staging(origin);
        staging.began.get_or_insert((now, self.arrived_bytes));
        self.staged_bytes += staging.bytes();
        self.staging.insert(origin.clone(), (staging, now));
    }

    /// Notes that a pass has arrived, which is to be said. More than an honest peer has under way are not kept: a peer
    /// that takes no answers must cost no memory, and whoever misses one sends its pass again.
    pub(crate) fn acknowledge(&mut self, pass: u64) {
        if self.acks.len() >= STAGINGS_MAX {
            self.acks.pop_first();
        }
        self.acks.insert(pass);
    }

    /// Notes that a pass of the peer was refused.
    pub(crate) fn refuse(&mut self, origin: &Origin, pass: u64, refusal: Refusal) {
        self.take_staging(origin);
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

    // --- Time

    /// Sends passes again that were sent long ago and never acknowledged, and forgets what came of those that stand
    /// still.
    ///
    /// The same frames are sent again, not those of a newer pass: the peer keeps what has arrived of them, so that a
    /// long pass gets through though each time some frame is lost.
    pub(crate) fn expire(&mut self, now: TickMs) {
        let still: Vec<Origin> = self
            .staging
            .iter()
            .filter(|(_, (_, progress))| now.since(*progress) >= STAGING_MS)
            .map(|(origin, _)| origin.clone())
            .collect();
        for origin in still {
            self.take_staging(&origin);
        }
        let round_trip = self.round_trip;
        let late = self.flights.values_mut().filter(|flight| flight.deadline(round_trip).is_some_and(|at| at <= now));
        for flight in late {
            flight.outgoing.rewind();
            flight.sent_at = None;
            flight.tries = flight.tries.saturating_add(1);
            self.counts.resent += 1;
        }
    }

    /// When something falls due on this link by the clock alone, after `ticked`. `own_behind` names the own origin if
    /// the peer lacks some of it.
    pub(crate) fn wake_at(&self, own_behind: Option<&Origin>, ticked: TickMs) -> Option<TickMs> {
        let open = (!self.open_heard).then(|| self.open_sent.map_or(TickMs(0), |sent| sent.plus(OPEN_MS)));
        if self.peer.is_none() {
            return open.filter(|at| *at > ticked);
        }
        let news = self.teller.wake_at(self.round_trip);
        let flights = self.flights.values().filter_map(|flight| flight.deadline(self.round_trip));
        let retry = own_behind
            .into_iter()
            .chain(self.asked.keys())
            .filter(|origin| !self.flights.contains_key(*origin))
            .map(|origin| self.backoff_until(origin));
        let due = [self.beat_at].into_iter().chain(open).chain(news).chain(flights).chain(retry);
        due.filter(|at| *at > ticked).min()
    }
}
