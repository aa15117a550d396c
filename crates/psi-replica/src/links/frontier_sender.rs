//! The sending half of a frontier exchange: tells the peer of a link how far each origin has come.
//!
//! A stop-and-wait channel in each direction: one update is in flight, and is sent again until it is acknowledged. So
//! updates may be lost, repeated or reordered, and still an origin is named on a link only once. After that its number
//! stands for it, and a move costs a few bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::{ORIGINS_PER_FRAME, round_trip::RoundTrip};
use crate::{
    entry::{
        clock::TickMs,
        origin::{Origin, Version},
    },
    proto,
    store::ListingSource,
};

/// How often at most a link's peer learns of origins that moved.
pub(crate) const UPDATE_MS: u64 = 100;
/// How long the first move after a quiet time waits for others that follow from the same cause.
const GATHER_MS: u64 = 20;

/// An update in flight.
#[derive(Debug)]
struct InFlightUpdate {
    frame: proto::FrontierUpdate,
    sent_at: TickMs,
    tries: u32,
}

/// What the peer has been sent of the frontier, and what is still to be sent.
#[derive(Debug)]
pub(crate) struct FrontierSender {
    unsent: BTreeSet<Origin>,
    in_flight: Option<InFlightUpdate>,
    /// Each origin's number, and the version that was sent last.
    named: BTreeMap<Origin, (u64, Version)>,
    /// Number of the last frame.
    frames: u64,
    /// The next update restarts the listing.
    restart: bool,
    /// Not everything that was held at the beginning has been sent.
    listing: bool,
    update_at: TickMs,
}

impl FrontierSender {
    /// Begins with everything that is held.
    pub(crate) fn new(now: TickMs, held: &impl ListingSource) -> Self {
        Self {
            unsent: held.listed().cloned().collect(),
            in_flight: None,
            named: BTreeMap::new(),
            frames: 0,
            restart: true,
            listing: true,
            update_at: now,
        }
    }

    /// Restarts the listing: the peer can't follow, or has a wrong picture.
    fn start_over(&mut self, held: &impl ListingSource) {
        let (frames, update_at) = (self.frames, self.update_at);
        *self = Self { frames, ..Self::new(update_at, held) };
    }

    /// Notes that an origin moved.
    pub(crate) fn moved(&mut self, now: TickMs, origin: &Origin) {
        if self.is_settled() {
            self.update_at = self.update_at.max(now.plus(GATHER_MS));
        }
        self.unsent.insert(origin.clone());
    }

    /// The peer knows already where this origin stands.
    pub(crate) fn is_known(&mut self, origin: &Origin) {
        self.unsent.remove(origin);
    }

    /// Whether everything was sent and acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsent.is_empty() && self.in_flight.is_none() && !self.listing
    }

    /// Origins whose move is still to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.unsent.len()
    }

    /// When [`FrontierSender::poll`] has something to say, by the clock alone.
    pub(crate) fn wake_at(&self, round_trip: RoundTrip) -> Option<TickMs> {
        match &self.in_flight {
            Some(update) => Some(update.sent_at.plus(round_trip.timeout_ms(0, update.tries))),
            None => (self.listing || !self.unsent.is_empty()).then_some(self.update_at),
        }
    }

    /// The next frame, if it is time for one.
    pub(crate) fn poll(
        &mut self,
        now: TickMs,
        round_trip: RoundTrip,
        held: &impl ListingSource,
    ) -> Option<proto::FrontierUpdate> {
        if self.wake_at(round_trip)? > now {
            return None;
        }
        if let Some(update) = &mut self.in_flight {
            update.sent_at = now;
            update.tries = update.tries.saturating_add(1);
            return Some(update.frame.clone());
        }
        let frame = self.next_frame(held);
        self.update_at = if self.listing { now } else { now.plus(UPDATE_MS) };
        self.in_flight = Some(InFlightUpdate { frame: frame.clone(), sent_at: now, tries: 0 });
        Some(frame)
    }

    fn next_frame(&mut self, held: &impl ListingSource) -> proto::FrontierUpdate {
        self.frames += 1;
        let mut frame = proto::FrontierUpdate {
            number: self.frames,
            restart: std::mem::take(&mut self.restart),
            ..Default::default()
        };
        while let Some(origin) = self.unsent.pop_first() {
            if held.held(&origin) == Version::ZERO {
                continue; // it has ended since
            }
            let (next, version) = (self.named.len() as u64, held.held(&origin));
            let (number, sent) = self.named.entry(origin.clone()).or_insert((next, Version::ZERO));
            if *number == next {
                frame.origins.push((&origin).into());
            }
            match version.0.saturating_sub(sent.0) {
                1 => frame.moved_by_one.push(*number),
                more => frame.moved.extend([*number, more]),
            }
            *sent = version;
            if frame.moved_by_one.len() + frame.moved.len() / 2 == ORIGINS_PER_FRAME {
                break;
            }
        }
        if self.listing && self.unsent.is_empty() {
            self.listing = false;
            frame.complete = true;
        }
        frame
    }

    /// Takes the peer's answer. Returns the round trip, if the answer shows it.
    pub(crate) fn acknowledge(
        &mut self,
        now: TickMs,
        ack: &proto::FrontierAck,
        held: &impl ListingSource,
    ) -> Option<u64> {
        if ack.restart {
            // A peer that asks before it can have seen the new beginning asks for what is on its way.
            let begins = self
                .in_flight
                .as_ref()
                .map_or(self.restart, |sent| sent.frame.restart && ack.number < sent.frame.number);
            if !begins {
                self.start_over(held);
            }
            return None;
        }
        let sent = self.in_flight.take_if(|sent| sent.frame.number == ack.number)?;
        (sent.tries == 0).then(|| now.since(sent.sent_at))
    }
}
