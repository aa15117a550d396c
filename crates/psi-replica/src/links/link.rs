//! One link: what the peer is known to hold, what is on its way to it, and what has arrived from it so far. Decides
//! nothing about other links; [`crate::Replica`] does.

use std::collections::BTreeSet;

use super::{
    ORIGINS_MAX,
    frontier_receiver::{FrontierReceiver, PeerMoves, UpdateError},
    frontier_sender::FrontierSender,
    inbox::Inbox,
    outbox::Outbox,
    round_trip::RoundTrip,
};
use crate::{
    delta::outgoing::OutgoingDelta,
    entry::{
        clock::TickMs,
        frontier::Frontier,
        name::NodeId,
        origin::{Origin, Version},
    },
    proto,
    store::ListingSource,
};

/// How often a link shows that it is alive, and its clock.
pub(crate) const HEARTBEAT_MS: u64 = 2_000;
/// How long `Hello` may stay unanswered before it is repeated.
const HELLO_MS: u64 = 1_000;

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
    /// Deltas begun.
    pub deltas_sent: u64,
    /// Deltas applied.
    pub deltas_received: u64,
    /// Deltas that took more than one frame.
    pub deltas_cut: u64,
    /// Deltas that this side refused.
    pub deltas_refused: u64,
    /// Frames of a later minor version that were ignored.
    pub frames_unknown: u64,
    /// Deltas and frontier updates that were sent again because no answer came in time.
    pub resent: u64,
}

/// What a link keeps in memory until its transport has room, or the rest has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Entries of deltas in flight to the peer; their bytes are shared with the store until it moves on.
    pub frozen_entries: usize,
    /// Bytes of deltas that have not wholly arrived.
    pub staged_bytes: usize,
    /// Origins of which something is to be sent: frontier moves, acknowledgements, pulls, refusals.
    pub waiting: usize,
}

/// The introductions of both sides, and what each repeats of them in heartbeats.
#[derive(Debug)]
struct Introduction {
    peer: Option<Peer>,
    peer_ready: bool,
    hello_sent: Option<TickMs>,
    /// The peer is known to have received our `Hello`.
    hello_received: bool,
    heartbeat_at: TickMs,
    /// Whether the peer was last told that this replica is ready.
    ready_sent: bool,
}

/// One link.
#[derive(Debug)]
pub(crate) struct Link {
    introduction: Introduction,
    /// What the peer is known to hold.
    peer_frontier: Frontier,
    sender: FrontierSender,
    receiver: FrontierReceiver,
    round_trip: RoundTrip,
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    /// Origins to pull from the peer.
    pulls: BTreeSet<Origin>,
    /// Since when the peer is behind on the own origin.
    behind_since: Option<TickMs>,
    /// The peer's state was found to differ though it holds the same.
    diverged: bool,
    pub(crate) counts: LinkCounts,
}

impl Link {
    /// A connection that stands since `now`, to a peer that will be sent what is `held`.
    pub(crate) fn new(now: TickMs, held: &impl ListingSource) -> Self {
        Self {
            introduction: Introduction {
                peer: None,
                peer_ready: false,
                hello_sent: None,
                hello_received: false,
                heartbeat_at: now.plus(HEARTBEAT_MS),
                ready_sent: false,
            },
            peer_frontier: Frontier::default(),
            sender: FrontierSender::new(now, held),
            receiver: FrontierReceiver::default(),
            round_trip: RoundTrip::default(),
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            pulls: BTreeSet::new(),
            behind_since: None,
            diverged: false,
            counts: LinkCounts::default(),
        }
    }

    // --- Introductions

    /// The peer, once it has introduced itself.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.introduction.peer.as_ref()
    }

    pub(crate) fn peer_node(&self) -> Option<&NodeId> {
        self.peer().map(|peer| &peer.node)
    }

    pub(crate) fn into_peer(self) -> Option<Peer> {
        self.introduction.peer
    }

    pub(crate) fn introduce(&mut self, peer: Peer) {
        self.introduction.peer = Some(peer);
    }

    /// Whether `Hello` is to be sent (again).
    pub(crate) fn hello_is_due(&self, now: TickMs) -> bool {
        let Introduction { hello_received, hello_sent, .. } = &self.introduction;
        !hello_received && hello_sent.is_none_or(|sent| now.since(sent) >= HELLO_MS)
    }

    pub(crate) fn record_hello_sent(&mut self, now: TickMs, ready: bool) {
        self.introduction.hello_sent = Some(now);
        self.introduction.ready_sent = ready;
    }

    /// The peer has sent something else than `Hello`: it has received ours.
    pub(crate) fn record_hello_received(&mut self) {
        self.introduction.hello_received = true;
    }

    /// Whether a heartbeat is due, for the time or because this replica has become ready.
    pub(crate) fn heartbeat_is_due(&self, now: TickMs, ready: bool) -> bool {
        self.introduction.heartbeat_at <= now || self.introduction.ready_sent != ready
    }

    pub(crate) fn record_heartbeat_sent(&mut self, now: TickMs, ready: bool) {
        self.introduction.heartbeat_at = now.plus(HEARTBEAT_MS);
        self.introduction.ready_sent = ready;
    }

    pub(crate) fn record_peer_ready(&mut self, ready: bool) {
        self.introduction.peer_ready = ready;
    }

    // --- What the peer holds

    /// What the peer is known to hold; see [`Link::has_listing`].
    pub(crate) fn peer_frontier(&self) -> &Frontier {
        &self.peer_frontier
    }

    /// Whether the peer has listed everything that it held when the link opened.
    pub(crate) fn has_listing(&self) -> bool {
        self.receiver.is_complete()
    }

    /// Whether the peer is ready and has listed what it holds: a joiner may take its target from it.
    pub(crate) fn may_lead(&self) -> bool {
        self.introduction.peer_ready && self.has_listing()
    }

    /// Takes a frontier update. A complete listing replaces all that was known of the peer's frontier.
    pub(crate) fn receive_update(&mut self, update: proto::FrontierUpdate) -> Result<PeerMoves, UpdateError> {
        let moves = self.receiver.receive(update)?;
        if moves.listed {
            self.peer_frontier = Frontier::default();
        }
        Ok(moves)
    }

    /// Records that the peer holds `version`; a delta that it covers has arrived.
    pub(crate) fn record_peer_holds(&mut self, origin: &Origin, version: Version) {
        self.receiver.record_shown(origin, version);
        let moved = self.peer_frontier.raise(origin, version);
        self.outbox.record_peer(origin, self.peer_frontier.version(origin), moved);
    }

    /// Corrects what is believed of the peer: it has said that it holds no more of `origin`.
    pub(crate) fn record_peer_holds_only(&mut self, origin: &Origin, version: Version) {
        if version < self.peer_frontier.version(origin) {
            self.peer_frontier.set(origin, version);
            self.outbox.abandon(origin);
        }
    }

    /// Asks for a new listing if the peer's frontier turns out to have another hash.
    pub(crate) fn check_listing(&mut self, hash: u64) {
        if self.peer_frontier.hash().short() != hash {
            self.receiver.request_restart();
        }
    }

    /// Records whether the peer's state differs though it holds the same; returns whether that is new.
    pub(crate) fn record_divergence(&mut self, diverged: bool) -> bool {
        let is_new = diverged && !self.diverged;
        self.diverged = diverged;
        is_new
    }

    pub(crate) fn behind_since(&self) -> Option<TickMs> {
        self.behind_since
    }

    pub(crate) fn record_behind_since(&mut self, since: Option<TickMs>) {
        self.behind_since = since;
    }

    // --- What the peer is sent of this replica's frontier

    /// Another origin than the own moved.
    pub(crate) fn record_moved(&mut self, now: TickMs, origin: &Origin) {
        self.sender.moved(now, origin);
    }

    /// The own origin moved. Its delta tells the peer.
    pub(crate) fn record_own_moved(&mut self, now: TickMs) {
        if self.has_listing() {
            self.behind_since.get_or_insert(now);
        }
    }

    /// The peer knows already where an origin stands here.
    pub(crate) fn record_known(&mut self, origin: &Origin) {
        self.sender.is_known(origin);
    }

    pub(crate) fn next_update(&mut self, now: TickMs, held: &impl ListingSource) -> Option<proto::FrontierUpdate> {
        self.sender.poll(now, self.round_trip, held)
    }

    /// Takes the peer's answer to an update.
    pub(crate) fn acknowledge_update(&mut self, now: TickMs, ack: &proto::FrontierAck, held: &impl ListingSource) {
        if let Some(took_ms) = self.sender.acknowledge(now, ack, held) {
            self.round_trip.sample(took_ms);
        }
    }

    /// The answer that is due to an update of the peer.
    pub(crate) fn next_update_ack(&mut self) -> Option<proto::FrontierAck> {
        self.receiver.take_answer()
    }

    /// Whether nothing is in flight to the peer, and all was acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        self.sender.is_settled() && self.outbox.is_empty() && !self.inbox.has_acks()
    }

    // --- Deltas and pulls

    /// Records that the peer is to be asked for a delta. A peer that lists others each time and takes no pulls must
    /// not have all of them kept: what is missing is asked for again.
    pub(crate) fn pull(&mut self, origin: &Origin) {
        if self.pulls.len() < ORIGINS_MAX {
            self.pulls.insert(origin.clone());
        }
    }

    /// Forgets what is under way of an origin.
    pub(crate) fn forget(&mut self, origin: &Origin) {
        self.pulls.remove(origin);
        self.inbox.take(origin);
        self.outbox.forget(origin);
    }

    pub(crate) fn next_pull(&mut self) -> Option<Origin> {
        self.pulls.pop_first()
    }

    /// How long to wait for an answer after so many tries.
    pub(crate) fn timeout_ms(&self, tries: u32) -> u64 {
        self.round_trip.timeout_ms(0, tries)
    }

    /// Begins a delta; `freeze` is given its number.
    pub(crate) fn begin_delta(&mut self, origin: &Origin, freeze: impl FnOnce(u64) -> OutgoingDelta) {
        self.counts.deltas_sent += 1;
        self.outbox.begin(origin, freeze);
    }

    /// The next frame of a delta in flight.
    pub(crate) fn next_delta_frame(&mut self, now: TickMs, frame_bytes: usize) -> Option<proto::Delta> {
        let frame = self.outbox.next_frame(now, frame_bytes)?;
        self.counts.entries_sent += frame.entries.len() as u64;
        self.counts.deltas_cut += u64::from(frame.last && frame.index > 0);
        Some(frame)
    }

    /// Takes the acknowledgement of a delta: whose it was, and the version that the peer now holds.
    pub(crate) fn acknowledge_delta(&mut self, now: TickMs, number: u64) -> Option<(Origin, Version)> {
        let delivery = self.outbox.acknowledge(now, number)?;
        if let Some(took_ms) = delivery.took_ms {
            self.round_trip.sample(took_ms);
        }
        Some((delivery.origin, delivery.version))
    }

    // --- Time

    /// What is kept until there is room, or the rest has come.
    pub(crate) fn backlog(&self) -> Backlog {
        Backlog {
            frozen_entries: self.outbox.frozen_entries(),
            staged_bytes: self.inbox.staged().1,
            waiting: self.sender.waiting() + self.inbox.answers() + self.pulls.len() + self.outbox.pulled(),
        }
    }

    /// Sends again what was not acknowledged in time, and forgets what stands still half arrived.
    pub(crate) fn expire(&mut self, now: TickMs) {
        self.inbox.forget_stale(now);
        self.counts.resent += self.outbox.resend_late(now, self.round_trip);
    }

    /// When something falls due on this link by the clock alone, after `ticked`. `own_behind` names the own origin if
    /// the peer is behind on it.
    pub(crate) fn wake_at(&self, own_behind: Option<&Origin>, ticked: TickMs) -> Option<TickMs> {
        let Introduction { peer, hello_sent, hello_received, heartbeat_at, .. } = &self.introduction;
        let hello = (!hello_received).then(|| hello_sent.map_or(TickMs(0), |sent| sent.plus(HELLO_MS)));
        if peer.is_none() {
            return hello.filter(|at| *at > ticked);
        }
        let update = self.sender.wake_at(self.round_trip);
        let deltas = self.outbox.due(own_behind, self.round_trip);
        let due = [*heartbeat_at].into_iter().chain(hello).chain(update).chain(deltas);
        due.filter(|at| *at > ticked).min()
    }
}
