//! The border to what the entries mean. A replica moves entries and keeps them; the state checks and folds them.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;

use crate::{
    entry::{
        Entry, InvalidValue,
        clock::{Clock, WallMs},
        key::{Key, Lane},
        origin::Origin,
    },
    local::writer::Writer,
    store::{
        Store,
        log::{Change, OriginLog},
    },
};

/// What changed of other origins, to be folded as one: of one origin by a delta, of several where some end.
#[derive(Clone, Copy, Debug)]
pub struct RemoteUpdate<'a> {
    /// Whose entries changed, and how.
    pub origins: &'a [(&'a Origin, &'a [Change])],
    /// What is held of all origins, the changes included.
    pub store: &'a Store,
    /// This replica's own origin; `None` until it is minted.
    pub local: Option<&'a Origin>,
}

/// What entries mean, and what they fold to.
///
/// A state holds what all origins' entries come to, and the own origin's writes that wait for a flush. It does no I/O
/// and reads no clock: the same calls give the same state.
pub trait State {
    /// A write of the own origin that a fold demands, in answer to what others wrote.
    type Demand;
    /// What happened inside that the shell may want to log or count.
    type Event: Clone + fmt::Debug + PartialEq;

    /// The lane whose entry at index 0 declares an epoch. A tombstone without one is refused.
    const EPOCH_LANE: Lane;

    /// Checks a value that a peer sent; returns the greatest clock that it stands for. Lanes that the state does not
    /// know are carried, and stand for no clock.
    ///
    /// # Errors
    /// [`InvalidValue`] if an entry of a known lane can't be read.
    fn check(key: &Key, value: &Bytes) -> Result<Clock, InvalidValue>;

    /// Whether the state reads entries of a lane, rather than carry them.
    #[cfg(feature = "testing")]
    fn knows(lane: Lane) -> bool;

    /// Folds in what other origins changed; returns the own writes that this demands. The replica writes them through
    /// [`State::write_demand`] if it has an origin to write as.
    fn apply(&mut self, update: RemoteUpdate<'_>) -> Vec<Self::Demand>;

    /// A state that holds nothing, as a replica starts with.
    #[must_use]
    fn empty(&self) -> Self;

    /// Whether [`State::fold_ended`] knows all that a log holds.
    fn can_fold(log: &OriginLog) -> bool;

    /// What the base holds once origins have ended: its entries, with those of `ended` folded in. Whatever else is held,
    /// these come to the same as the base before and the ended origins did, bit for bit.
    fn fold_ended(base: Option<&OriginLog>, ended: &[(&Origin, &OriginLog)]) -> BTreeMap<Key, Bytes>;

    /// Makes an own write that a fold demanded.
    fn write_demand(&mut self, writer: &mut Writer<'_, Self::Event>, demand: Self::Demand);

    /// When there is something to write that was gathered until then; `None`: nothing is.
    fn due_at(&self) -> Option<WallMs> {
        None
    }

    /// Writes what was gathered and is due by `until`.
    fn write_due(&mut self, _writer: &mut Writer<'_, Self::Event>, _until: WallMs) {}

    /// Whether own writes wait for a flush, beside those that a [`Writer`] was given.
    fn is_dirty(&self) -> bool;

    /// Hands over the own entries that were written since the last flush.
    fn flush(&mut self, local: &Origin) -> Vec<Entry>;
}
