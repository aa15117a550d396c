//! Deltas from the peer of a link: what has arrived so far, what is to be acknowledged, and what was refused.

use std::collections::{BTreeMap, BTreeSet};

use super::{outbox::IN_FLIGHT_MAX, round_trip::transfer_ms};
use crate::{
    delta::{refusal::Refusal, staged::StagedDelta},
    entry::{clock::TickMs, origin::Origin},
    proto,
};

/// How long a delta may stand still half arrived until its frames are forgotten.
const STAGED_MS_MAX: u64 = 120_000;
/// How long a delta that is arriving may stand still until another peer is asked.
const STALLED_MS: u64 = 2_000;
/// How long a delta may take to arrive, beyond what its bytes take on a slow transport, until another peer is asked.
const ARRIVING_MS: u64 = 500;
/// Most deltas that may be half arrived at once on a link; an honest peer sends [`IN_FLIGHT_MAX`] and its own.
pub(crate) const STAGED_MAX: usize = 4 * IN_FLIGHT_MAX;

/// How a delta is arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Arrival {
    /// It began a moment ago.
    Begun,
    /// It goes on, no slower than a slow transport brings it.
    Steady,
}

/// A delta that has not wholly arrived, and its pace.
#[derive(Debug)]
struct PartialDelta {
    delta: StagedDelta,
    began: TickMs,
    /// What had come over the link when it began.
    bytes_before: usize,
    /// When its latest frame came.
    progress: TickMs,
}

/// A refused delta: its number, and why.
#[derive(Clone, Debug)]
struct RefusedNumber {
    number: u64,
    refusal: Refusal,
}

/// All deltas from one peer.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    staged: BTreeMap<Origin, PartialDelta>,
    staged_bytes: usize,
    /// Bytes of entries that deltas have brought over this link.
    arrived_bytes: usize,
    /// Numbers of deltas to acknowledge.
    acks: BTreeSet<u64>,
    /// Origins whose refusal is still to be sent.
    nacks: BTreeSet<Origin>,
    /// The latest delta of each origin that was refused: its other frames are ignored.
    refused: BTreeMap<Origin, RefusedNumber>,
}

/// A delta that was taken out of the inbox to stage a frame of it, and when it began.
#[derive(Debug)]
pub(crate) struct DeltaInProgress {
    pub(crate) delta: StagedDelta,
    began: Option<(TickMs, usize)>,
}

impl DeltaInProgress {
    pub(crate) fn fresh(delta: StagedDelta) -> Self {
        Self { delta, began: None }
    }
}

impl Inbox {
    /// Deltas that have not wholly arrived, and the bytes of all.
    pub(crate) fn staged(&self) -> (usize, usize) {
        (self.staged.len(), self.staged_bytes)
    }

    /// Answers that wait for room in the transport.
    pub(crate) fn answers(&self) -> usize {
        self.acks.len() + self.nacks.len()
    }

    pub(crate) fn has_acks(&self) -> bool {
        !self.acks.is_empty()
    }

    /// The number of the delta of `origin` that is arriving.
    pub(crate) fn number(&self, origin: &Origin) -> Option<u64> {
        self.staged.get(origin).map(|staged| staged.delta.number())
    }

    /// How a delta of `origin` is arriving, if one is and it is worth waiting for.
    pub(crate) fn arrival(&self, origin: &Origin, now: TickMs) -> Option<Arrival> {
        let PartialDelta { began, bytes_before, progress, .. } = self.staged.get(origin)?;
        if now.since(*progress) >= STALLED_MS {
            return None;
        }
        let took = now.since(*began);
        // Deltas share a link, so the pace is that of all of them.
        let steady = took < ARRIVING_MS + transfer_ms(self.arrived_bytes.saturating_sub(*bytes_before));
        match took < ARRIVING_MS {
            true => Some(Arrival::Begun),
            false => steady.then_some(Arrival::Steady),
        }
    }

    /// Counts bytes of a delta that came.
    pub(crate) fn record_arrived(&mut self, bytes: usize) {
        self.arrived_bytes = self.arrived_bytes.saturating_add(bytes);
    }

    pub(crate) fn take(&mut self, origin: &Origin) -> Option<DeltaInProgress> {
        let PartialDelta { delta, began, bytes_before, .. } = self.staged.remove(origin)?;
        self.staged_bytes -= delta.bytes();
        Some(DeltaInProgress { delta, began: Some((began, bytes_before)) })
    }

    pub(crate) fn put(&mut self, now: TickMs, origin: &Origin, DeltaInProgress { delta, began }: DeltaInProgress) {
        self.take(origin);
        let (began, bytes_before) = began.unwrap_or((now, self.arrived_bytes));
        self.staged_bytes += delta.bytes();
        self.staged.insert(origin.clone(), PartialDelta { delta, began, bytes_before, progress: now });
    }

    /// Forgets the frames of deltas that stand still.
    pub(crate) fn forget_stale(&mut self, now: TickMs) {
        let stale = |staged: &PartialDelta| now.since(staged.progress) >= STAGED_MS_MAX;
        let stale: Vec<Origin> =
            self.staged.iter().filter(|(_, staged)| stale(staged)).map(|(origin, _)| origin.clone()).collect();
        for origin in stale {
            self.take(&origin);
        }
    }

    // --- Answers

    /// Acknowledges a delta. More than an honest peer has in flight are not kept: a peer that takes no answers must
    /// cost no memory, and one that misses an answer sends its delta again.
    pub(crate) fn acknowledge(&mut self, number: u64) {
        if self.acks.len() >= STAGED_MAX {
            self.acks.pop_first();
        }
        self.acks.insert(number);
    }

    pub(crate) fn next_ack(&mut self) -> Option<proto::Ack> {
        Some(proto::Ack { number: self.acks.pop_first()? })
    }

    /// Whether a refusal of `origin` adds to those that are kept, when `limit` are.
    pub(crate) fn refuses_too_many(&self, origin: &Origin, limit: usize) -> bool {
        self.refused.len() >= limit && !self.refused.contains_key(origin)
    }

    /// Records that a delta of the peer was refused.
    pub(crate) fn refuse(&mut self, origin: &Origin, number: u64, refusal: Refusal) {
        self.take(origin);
        self.nacks.insert(origin.clone());
        self.refused.insert(origin.clone(), RefusedNumber { number, refusal });
    }

    /// Whether a frame belongs to a delta that was refused, or to an earlier one. Its last frame has the refusal sent
    /// again, for the first may have been lost.
    pub(crate) fn is_refused(&mut self, origin: &Origin, frame: &proto::Delta) -> bool {
        let Some(refused) = self.refused.get(origin).filter(|refused| frame.number <= refused.number) else {
            return false;
        };
        if frame.number == refused.number && frame.last {
            self.nacks.insert(origin.clone());
        }
        true
    }

    /// The next refusal to send, but for what is held of its origin.
    pub(crate) fn next_nack(&mut self) -> Option<(&Origin, proto::Nack)> {
        let origin = self.nacks.pop_first()?;
        let (origin, RefusedNumber { number, refusal }) = self.refused.get_key_value(&origin)?;
        let (reason, detail) = (refusal.reason().to_owned(), refusal.to_string());
        Some((origin, proto::Nack { origin: Some(origin.into()), number: *number, reason, detail, held: 0 }))
    }
}
