//! How a link's two ends keep each other's frontier in mind: everything that is held first, then what moves.
//!
//! A stop-and-wait channel in each direction: one frame of news is under way, and sent again until it is heard. So
//! frames may be lost, repeated or overtaken, and still an origin is named on a link only once; after that its number
//! stands for it, and a move costs a few bytes. What it leaves out: what either end does with what it learns.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    clock::TickMs,
    frontier::Frontier,
    origin::{Origin, OriginError, Version},
    proto,
    round_trip::RoundTrip,
};

/// How often at most a link's peer hears of origins that moved.
pub(crate) const TELL_MS: u64 = 100;
/// How long the first move after a quiet time waits for others that follow from the same cause.
const GATHER_MS: u64 = 20;
/// Most origins in one frame, and most moves: about 400 kB where all of them are named with the longest names.
pub(crate) const ORIGINS_PER_FRAME: usize = 4_096;
/// Most origins that a peer may name on one link. A cluster that restarts a thousand nodes a hundred times has fewer.
pub(crate) const ORIGINS_MAX: usize = 131_072;

/// News under way.
#[derive(Debug)]
struct Told {
    frame: proto::News,
    sent_at: TickMs,
    tries: u32,
}

/// What the peer is to be told, and has been.
#[derive(Debug)]
pub(crate) struct Teller {
    untold: BTreeSet<Origin>,
    told: Option<Told>,
    /// Each origin's number, and the version that was told last.
    named: BTreeMap<Origin, (u64, Version)>,
    /// Number of the last frame.
    frames: u64,
    /// The next frame begins anew.
    restart: bool,
    /// Not everything that was held at the beginning has been told.
    listing: bool,
    tell_at: TickMs,
}

impl Teller {
    /// Begins with everything that is held.
    pub(crate) fn new(now: TickMs, frontier: &Frontier) -> Self {
        Self {
            untold: frontier.iter().map(|(origin, _)| origin.clone()).collect(),
            told: None,
            named: BTreeMap::new(),
            frames: 0,
            restart: true,
            listing: true,
            tell_at: now,
        }
    }

    /// Begins anew: the peer can't follow, or has a wrong picture.
    fn start_over(&mut self, frontier: &Frontier) {
        let (frames, tell_at) = (self.frames, self.tell_at);
        *self = Self { frames, ..Self::new(tell_at, frontier) };
    }

    /// Notes that an origin moved.
    pub(crate) fn moved(&mut self, now: TickMs, origin: &Origin) {
        if self.is_settled() {
            self.tell_at = self.tell_at.max(now.plus(GATHER_MS));
        }
        self.untold.insert(origin.clone());
    }

    /// The peer knows already what it would be told of this origin.
    pub(crate) fn is_known(&mut self, origin: &Origin) {
        self.untold.remove(origin);
    }

    /// Whether everything was told and heard.
    pub(crate) fn is_settled(&self) -> bool {
        self.untold.is_empty() && self.told.is_none() && !self.listing
    }

    /// Origins of which something is still to be told.
    pub(crate) fn waiting(&self) -> usize {
        self.untold.len()
    }

    /// When [`Teller::poll`] has something to say, by the clock alone.
    pub(crate) fn wake_at(&self, round_trip: RoundTrip) -> Option<TickMs> {
        match &self.told {
            Some(told) => Some(told.sent_at.plus(round_trip.timeout_ms(0, told.tries))),
            None => (self.listing || !self.untold.is_empty()).then_some(self.tell_at),
        }
    }

    /// The next frame, if it is time for one.
    pub(crate) fn poll(&mut self, now: TickMs, round_trip: RoundTrip, frontier: &Frontier) -> Option<proto::News> {
        if self.wake_at(round_trip)? > now {
            return None;
        }
        if let Some(told) = &mut self.told {
            told.sent_at = now;
            told.tries = told.tries.saturating_add(1);
            return Some(told.frame.clone());
        }
        let frame = self.next_frame(frontier);
        self.tell_at = if self.listing { now } else { now.plus(TELL_MS) };
        self.told = Some(Told { frame: frame.clone(), sent_at: now, tries: 0 });
        Some(frame)
    }

    fn next_frame(&mut self, frontier: &Frontier) -> proto::News {
        self.frames += 1;
        let mut frame =
            proto::News { number: self.frames, restart: std::mem::take(&mut self.restart), ..Default::default() };
        while let Some(origin) = self.untold.pop_first() {
            let (next, version) = (self.named.len() as u64, frontier.version(&origin));
            let (number, told) = self.named.entry(origin.clone()).or_insert((next, Version::ZERO));
            if *number == next {
                frame.origins.push((&origin).into());
            }
            match version.0.saturating_sub(told.0) {
                1 => frame.moved_by_one.push(*number),
                more => frame.moved.extend([*number, more]),
            }
            *told = version;
            if frame.moved_by_one.len() + frame.moved.len() / 2 == ORIGINS_PER_FRAME {
                break;
            }
        }
        if self.listing && self.untold.is_empty() {
            self.listing = false;
            frame.complete = true;
        }
        frame
    }

    /// Takes the peer's answer. Returns how long it took, if that tells anything.
    pub(crate) fn heard(&mut self, now: TickMs, heard: &proto::Heard, frontier: &Frontier) -> Option<u64> {
        if heard.again {
            // Whoever asks again before it can have seen the new beginning asks for what is on its way.
            let begins =
                self.told.as_ref().map_or(self.restart, |told| told.frame.restart && heard.number < told.frame.number);
            if !begins {
                self.start_over(frontier);
            }
            return None;
        }
        let told = self.told.take_if(|told| told.frame.number == heard.number)?;
        (told.tries == 0).then(|| now.since(told.sent_at))
    }
}

/// What came of a frame of news.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Learned {
    /// Where origins now stand at the peer.
    pub(crate) moved: Vec<(Origin, Version)>,
    /// These stand in place of everything that was known before; complete when the listing ends with this frame.
    pub(crate) listed: bool,
}

/// Why news end the link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewsError {
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error("too many origins")]
    TooMany,
    #[error("too many moves in one frame")]
    TooManyMoves,
}

/// What the peer has told.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Origins by the number that the peer gave them, and where it said last that they stand.
    named: Vec<(Origin, Version)>,
    /// Number of the last frame that was heard.
    heard: u64,
    /// A listing that is not complete yet.
    listing: Option<BTreeMap<Origin, Version>>,
    complete: bool,
    /// A listing was asked for and has not begun.
    asked_again: bool,
    /// What is to be answered.
    answer: Option<proto::Heard>,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            named: Vec::new(),
            heard: 0,
            listing: Some(BTreeMap::new()),
            complete: false,
            asked_again: false,
            answer: None,
        }
    }
}

impl Listener {
    /// Notes what the peer has shown otherwise than by news, lest a listing under way take it back.
    pub(crate) fn shown(&mut self, origin: &Origin, version: Version) {
        if let Some(listing) = &mut self.listing {
            let held = listing.entry(origin.clone()).or_default();
            *held = version.max(*held);
        }
    }

    /// Whether the peer has told everything that it held once.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Asks for everything anew: the picture has proved wrong.
    pub(crate) fn ask_again(&mut self) {
        self.asked_again = true;
        self.answer = Some(proto::Heard { number: self.heard, again: true });
    }

    /// The answer that is due.
    pub(crate) fn take_answer(&mut self) -> Option<proto::Heard> {
        self.answer.take()
    }

    /// Takes a frame of news. What can't be followed is asked for again; what came already is answered again.
    pub(crate) fn hear(&mut self, news: proto::News) -> Result<Learned, NewsError> {
        let proto::News { number, origins, moved, restart, complete, moved_by_one } = news;
        if moved.len() / 2 + moved_by_one.len() > ORIGINS_PER_FRAME {
            return Err(NewsError::TooManyMoves);
        }
        let begins = restart && (number > self.heard || self.asked_again);
        if !begins && number <= self.heard {
            self.answer = Some(proto::Heard { number, again: self.asked_again });
            return Ok(Learned::default());
        }
        if !begins && (number != self.heard + 1 || self.asked_again) {
            self.ask_again();
            return Ok(Learned::default());
        }
        let named = origins.into_iter().map(|origin| Origin::try_from(Some(origin)));
        let named = named.collect::<Result<Vec<_>, _>>()?;
        if begins {
            let shown = if self.complete { None } else { self.listing.take() };
            *self =
                Self { complete: self.complete, listing: shown.or_else(|| Some(BTreeMap::new())), ..Self::default() };
        }
        if self.named.len() + named.len() > ORIGINS_MAX {
            return Err(NewsError::TooMany);
        }
        self.named.extend(named.into_iter().map(|origin| (origin, Version::ZERO)));
        self.heard = number;
        let Some(moved) = self.positions(&moved, &moved_by_one) else {
            self.ask_again();
            return Ok(Learned::default());
        };
        self.answer = Some(proto::Heard { number, again: false });
        self.learn(moved, complete)
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

    fn learn(&mut self, moved: Vec<(Origin, Version)>, complete: bool) -> Result<Learned, NewsError> {
        let Some(mut listing) = self.listing.take() else { return Ok(Learned { moved, listed: false }) };
        for (origin, version) in moved {
            let held = listing.entry(origin).or_default();
            *held = version.max(*held);
        }
        // A listing that begins anew keeps what came before, and so may grow beyond what has been named.
        if listing.len() > ORIGINS_MAX {
            return Err(NewsError::TooMany);
        }
        if complete {
            self.complete = true;
            return Ok(Learned { moved: listing.into_iter().collect(), listed: true });
        }
        self.listing = Some(listing);
        Ok(Learned::default())
    }
}

#[cfg(test)]
mod tests;
