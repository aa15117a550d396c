//! Keys: what an entry is about. Scope, lane, index.

use std::{fmt, ops::Range};

use super::{
    name::FieldName,
    scope::{Epoch, Scope},
};

/// A kind of entry. This crate knows a few of them; what the others hold is the state's matter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub u32);

impl Lane {
    /// Ends all older epochs of the field, as far as their entries are its origin's.
    pub const TOMBSTONE: Self = Self(1);
    /// Of scope cluster: the origin's last write.
    pub const CLOSED: Self = Self(3);
    /// Of scope cluster: what a run says of the next checkpoint.
    pub const VOTE: Self = Self(4);
    /// Of scope cluster: runs that will not come back, by the word of an operator.
    pub const GONE: Self = Self(7);
    /// Of scope cluster, only in the base: which checkpoint it is of.
    pub const BASE: Self = Self(5);
    /// Of scope cluster, only in the base: names of ended runs.
    pub const ENDED: Self = Self(6);
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lane {}", self.0)
    }
}

/// Names one entry of an origin. Ordered so that the entries of a scope lie together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// What the entry belongs to.
    pub scope: Scope,
    /// What it holds.
    pub lane: Lane,
    /// Position within the lane.
    pub index: u64,
}

impl Key {
    /// The first key that a scope can have.
    #[must_use]
    pub fn first(scope: Scope) -> Self {
        Self { scope, lane: Lane(0), index: 0 }
    }

    /// The first key of all.
    pub(crate) fn lowest() -> Self {
        Self::first(Scope::Cluster)
    }

    /// All keys of a field in epochs before `epoch`.
    pub(crate) fn older_than(field: &FieldName, epoch: Epoch) -> Range<Self> {
        Self::first(Scope::Epoch(field.clone(), Epoch(0)))..Self::first(Scope::Epoch(field.clone(), epoch))
    }

    /// The field and epoch of a tombstone; `None` for another entry.
    pub(crate) fn tombstone(&self) -> Option<(&FieldName, Epoch)> {
        match &self.scope {
            Scope::Epoch(field, epoch) if self.lane == Lane::TOMBSTONE => Some((field, *epoch)),
            _ => None,
        }
    }
}
