//! What a component is: the code that owns one kind of replicated state.
//!
//! A component is one file under `components/` and one row in `components.rs`. It names its scope and its lanes; decodes
//! and encodes their values canonically; changes its fold by one value, put or removed; settles; keeps the own origin's
//! share; gives its part of the view; says how its entries end, and what the base keeps of ended origins. `laws.rs` holds every row to the same laws.

pub(crate) mod dirty_slots;
pub(crate) mod facts;
pub(crate) mod label;
pub(crate) mod lasting_write;
#[cfg(test)]
mod laws;
mod line;
pub(crate) mod moment;
pub(crate) mod names;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod value;

use std::collections::BTreeMap;

use bytes::Bytes;
use psi_replica::{Clock, Entry, Key, Lane, Origin, Scope, ScopeKind, Version};

use self::{facts::EpochFacts, value::ValueError};
#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::spec::EpochShape;

/// What happens to a value in a fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// It is put in.
    Put,
    /// It is taken out, as it was put in.
    Remove,
}

/// How the entries of a component end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryLifetime {
    /// With their epoch, by their origin's tombstone.
    WithEpoch,
    /// Never by themselves: each holds until its origin overwrites it. They outlive resets, and the drop of a field.
    Overwritten,
}

/// The code that owns some lanes.
pub(crate) trait Component: Clone + std::fmt::Debug {
    /// A decoded entry of any of its lanes.
    type Value: std::fmt::Debug + PartialEq;

    /// What its entries belong to.
    const SCOPE: ScopeKind;

    /// How its entries end.
    const LIFETIME: EntryLifetime;

    /// The last index that an entry of one of its lanes may have.
    fn last_index(lane: Lane) -> u64;

    /// Reads an entry of one of its lanes, whose scope and index were checked.
    fn decode(key: &Key, bytes: &Bytes) -> Result<Self::Value, ValueError>;

    /// The one encoding of a value.
    #[cfg_attr(not(test), allow(dead_code, reason = "most own shares encode from parts; the laws encode from values"))]
    fn encode(value: &Self::Value) -> Bytes;

    /// The greatest hybrid clock that a value stands for, if it stands for one.
    fn clock(value: &Self::Value) -> Option<Clock>;

    /// Folds in or out one value of an origin.
    fn change(&mut self, origin: &Origin, key: &Key, value: &Self::Value, direction: Direction);

    /// An entry such as an origin could write in a scope of the right kind: for the laws.
    #[cfg(test)]
    fn sample(rng: &mut SampleRng, scope: &Scope) -> (Lane, u64, Self::Value);
}

/// A component whose fold outlives epochs: of scope cluster or field, or one that decides which epoch holds.
pub(crate) trait LastingComponent: Component {
    /// What it shows.
    type View: Clone + std::fmt::Debug + PartialEq;

    /// Its part of the view.
    fn view(&self) -> Self::View;

    /// Writes the base that comes to the same as this fold, which is of ended origins and the base before.
    fn write_base(&self, base: &mut BaseSink<'_>);
}

/// A component of scope epoch: its fold is of the field's current epoch, and starts over with each.
pub(crate) trait EpochComponent: Component {
    /// What it shows.
    type View: Clone + std::fmt::Debug + PartialEq;

    /// A fold of nothing.
    fn new(shape: &EpochShape) -> Self;

    /// Starts over in the same epoch with another shape, and keeps what is of `kept`, whose log is not refolded.
    fn restart(&mut self, shape: &EpochShape, kept: Option<&Origin>);

    /// Its part of the view. What it says may depend on the other components.
    fn view(&self, facts: &EpochFacts<'_>) -> Self::View;

    /// Writes the base that comes to the same as this fold, which is of ended origins and the base before, whatever live
    /// origins add to it or take from it later. How much it writes is bounded.
    fn write_base(&self, facts: &EpochFacts<'_>, base: &mut BaseSink<'_>);

    /// Hands over the own entries that were written since the last flush.
    fn flush(&mut self, local: &Origin, sink: &mut FlushSink);

    /// Forgets what waits for a flush: the own share is a copy's, to be merged later.
    fn forget_pending(&mut self);

    /// Takes over what the own origin added in a copy of this fold, as the write `version`.
    fn merge_own(&mut self, copy: Self, local: &Origin, version: Version);
}

/// Where own entries of one epoch are put when they are flushed.
#[derive(Debug)]
pub(crate) struct FlushSink {
    scope: Scope,
    entries: Vec<Entry>,
}

impl FlushSink {
    pub(crate) fn new(scope: Scope) -> Self {
        Self { scope, entries: Vec::new() }
    }

    pub(crate) fn push(&mut self, lane: Lane, index: u64, version: Version, value: Bytes) {
        self.entries.push(Entry { key: Key { scope: self.scope.clone(), lane, index }, version, value });
    }

    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}

/// Where the entries of the base are put, of one component in one scope.
#[derive(Debug)]
pub(crate) struct BaseSink<'a> {
    scope: Scope,
    entries: &'a mut BTreeMap<Key, Bytes>,
}

impl<'a> BaseSink<'a> {
    pub(crate) fn new(scope: Scope, entries: &'a mut BTreeMap<Key, Bytes>) -> Self {
        Self { scope, entries }
    }

    pub(crate) fn put(&mut self, lane: Lane, index: u64, value: Bytes) {
        self.entries.insert(Key { scope: self.scope.clone(), lane, index }, value);
    }

    /// Puts the latest `max` of `items`, which come oldest first, so many in an entry.
    pub(crate) fn put_latest<T: Clone>(
        &mut self,
        lane: Lane,
        items: &[T],
        (max, per_entry): (usize, usize),
        encode: impl Fn(&[T]) -> Bytes,
    ) {
        let latest = &items[items.len().saturating_sub(max)..];
        for (index, items) in (0..).zip(latest.chunks(per_entry)) {
            self.put(lane, index, encode(items));
        }
    }
}
