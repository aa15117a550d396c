//! The receiving half of a frontier exchange: what the peer of a link says that it holds. See
//! [`super::frontier_sender`]. Left out: what this replica does with what it learns.

use std::collections::BTreeMap;

use super::{ORIGINS_MAX, ORIGINS_PER_FRAME};
use crate::{
    entry::origin::{Origin, OriginError, Version},
    proto,
};

/// What an update showed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerMoves {
    /// Where origins now stand at the peer.
    pub(crate) moved: Vec<(Origin, Version)>,
    /// These stand in place of everything that was known before; complete when the listing ends with this frame.
    pub(crate) listed: bool,
}

/// Why an update ends the link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpdateError {
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error("too many origins")]
    TooMany,
    #[error("too many moves in one frame")]
    TooManyMoves,
}

/// What the peer has said that it holds.
#[derive(Debug)]
pub(crate) struct FrontierReceiver {
    /// Origins by the number that the peer gave them, and where it said last that they stand.
    named: Vec<(Origin, Version)>,
    /// Number of the last frame that was received.
    received: u64,
    /// A listing that is not complete yet.
    listing: Option<BTreeMap<Origin, Version>>,
    complete: bool,
    /// A new listing was requested and has not begun.
    restart_requested: bool,
    /// What is to be answered.
    answer: Option<proto::FrontierAck>,
}

impl Default for FrontierReceiver {
    fn default() -> Self {
        Self {
            named: Vec::new(),
            received: 0,
            listing: Some(BTreeMap::new()),
            complete: false,
            restart_requested: false,
            answer: None,
        }
    }
}

impl FrontierReceiver {
    /// Records what the peer has shown outside updates, so that a listing under way does not take it back.
    pub(crate) fn record_shown(&mut self, origin: &Origin, version: Version) {
        if let Some(listing) = &mut self.listing {
            let held = listing.entry(origin.clone()).or_default();
            *held = version.max(*held);
        }
    }

    /// Whether the peer has listed everything that it held once.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Asks for a new listing: the picture has proved wrong.
    pub(crate) fn request_restart(&mut self) {
        self.restart_requested = true;
        self.answer = Some(proto::FrontierAck { number: self.received, restart: true });
    }

    /// The answer that is due.
    pub(crate) fn take_answer(&mut self) -> Option<proto::FrontierAck> {
        self.answer.take()
    }

    /// Takes an update. One that can't be followed is asked for again; one that came already is answered again.
    pub(crate) fn receive(&mut self, update: proto::FrontierUpdate) -> Result<PeerMoves, UpdateError> {
        let proto::FrontierUpdate { number, origins, moved, restart, complete, moved_by_one } = update;
        if moved.len() / 2 + moved_by_one.len() > ORIGINS_PER_FRAME {
            return Err(UpdateError::TooManyMoves);
        }
        let begins = restart && (number > self.received || self.restart_requested);
        if !begins && number <= self.received {
            self.answer = Some(proto::FrontierAck { number, restart: self.restart_requested });
            return Ok(PeerMoves::default());
        }
        if !begins && (number != self.received + 1 || self.restart_requested) {
            self.request_restart();
            return Ok(PeerMoves::default());
        }
        let named = origins.into_iter().map(|origin| Origin::try_from(Some(origin)));
        let named = named.collect::<Result<Vec<_>, _>>()?;
        if begins {
            let shown = if self.complete { None } else { self.listing.take() };
            *self =
                Self { complete: self.complete, listing: shown.or_else(|| Some(BTreeMap::new())), ..Self::default() };
        }
        if self.named.len() + named.len() > ORIGINS_MAX {
            return Err(UpdateError::TooMany);
        }
        self.named.extend(named.into_iter().map(|origin| (origin, Version::ZERO)));
        self.received = number;
        let Some(moved) = self.positions(&moved, &moved_by_one) else {
            self.request_restart();
            return Ok(PeerMoves::default());
        };
        self.answer = Some(proto::FrontierAck { number, restart: false });
        self.record_moves(moved, complete)
    }

    fn positions(&mut self, moved: &[u64], by_one: &[u64]) -> Option<Vec<(Origin, Version)>> {
        let (pairs, rest) = moved.as_chunks::<2>();
        rest.is_empty().then_some(())?;
        let by_one = by_one.iter().map(|number| (*number, 1));
        let moves = pairs.iter().map(|[number, by]| (*number, *by)).chain(by_one);
        moves.map(|(number, by)| self.position(number, by)).collect()
    }

    fn position(&mut self, number: u64, by: u64) -> Option<(Origin, Version)> {
        let (origin, version) = self.named.get_mut(usize::try_from(number).ok()?)?;
        *version = Version(version.0.checked_add(by)?);
        Some((origin.clone(), *version))
    }

    fn record_moves(&mut self, moved: Vec<(Origin, Version)>, complete: bool) -> Result<PeerMoves, UpdateError> {
        let Some(mut listing) = self.listing.take() else { return Ok(PeerMoves { moved, listed: false }) };
        for (origin, version) in moved {
            let held = listing.entry(origin).or_default();
            *held = version.max(*held);
        }
        // A listing that restarts keeps the earlier part, and so may grow beyond what has been named.
        if listing.len() > ORIGINS_MAX {
            return Err(UpdateError::TooMany);
        }
        if complete {
            self.complete = true;
            return Ok(PeerMoves { moved: listing.into_iter().collect(), listed: true });
        }
        self.listing = Some(listing);
        Ok(PeerMoves::default())
    }
}
