//! What each component of the oracle is: which writes it keeps, and what they come to.

use std::collections::BTreeSet;

use super::{
    known::Knowledge,
    records::{Record, StepRecord},
};
use crate::report::markers::Marker;

/// What entries belong to, and so what ends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The cluster, and no field.
    Cluster,
    /// A field: they outlive resets, and are there again when a field that was dropped is created again.
    Field,
    /// One epoch of a field.
    Epoch,
}

/// Where a component of this oracle has no writes of its own: there is no value of it.
#[derive(Clone, Debug, PartialEq)]
pub enum NoWrite {}

/// What a run came by that a sweep must have met.
pub type Sights = BTreeSet<Marker>;

/// A component's mirror: it says the same as the component itself, and is worked out the slow and obvious way.
///
/// Rules of the trait hold for each: what `expect` says depends on the known records alone, in whichever order they
/// were recorded.
pub trait Component {
    /// What its entries belong to.
    const SCOPE: Scope;
    /// What runs should come by now and then.
    const SIGHTS: &'static [Marker] = &[];

    /// What is asked for, where it is the component's own; else [`NoWrite`].
    type Write;
    /// What is kept of a write.
    type Record;
    /// What must be shown.
    type Expectation;

    /// Keeps a write of its own. `new` stands for the write, `own` are the component's records known where it was made.
    fn record(
        _known: &Knowledge<'_>,
        _own: &OwnRecords<'_, Self::Record>,
        _new: &Record<Self::Write>,
        _sights: &mut Sights,
    ) -> Option<Self::Record> {
        None
    }

    /// Keeps what it makes of a step.
    ///
    /// # Errors
    /// If what was answered is not what had to be.
    fn record_step(
        _known: &Knowledge<'_>,
        _own: &OwnRecords<'_, Self::Record>,
        _step: &Record<StepRecord>,
        _sights: &mut Sights,
    ) -> Result<Option<Record<Self::Record>>, String> {
        Ok(None)
    }

    /// What must be shown by who knows so much.
    fn expect(known: &Knowledge<'_>, own: &OwnRecords<'_, Self::Record>, sights: &mut Sights) -> Self::Expectation;
}

/// The records of a component that are known, and not ended with their epoch, in the order in which they were kept.
#[derive(Debug)]
pub struct OwnRecords<'a, T>(Vec<&'a Record<T>>);

impl<'a, T> OwnRecords<'a, T> {
    pub(super) fn of<C: Component<Record = T>>(known: &Knowledge<'a>, log: &'a [Record<T>]) -> Self {
        Self(match C::SCOPE {
            Scope::Cluster | Scope::Field => known.of_all_epochs(log).collect(),
            Scope::Epoch => known.of_this_epoch(log).collect(),
        })
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &'a Record<T>> + '_ {
        self.0.iter().copied()
    }

    /// Sorted by clock and origin, the oldest first.
    pub(super) fn in_order(&self) -> Vec<&'a Record<T>> {
        let mut sorted = self.0.clone();
        sorted.sort_by_key(|record| record.place());
        sorted
    }

    /// Of several writers, the last: by clock, then by origin.
    pub(super) fn last(&self) -> Option<&'a Record<T>> {
        self.iter().max_by_key(|record| record.place())
    }
}
