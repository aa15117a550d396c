//! Scopes: what an entry belongs to, and so what ends it.

use std::fmt;

use super::name::FieldName;

/// A generation of a field. Entries of older epochs do not count.
///
/// The upper 44 bits are the wall clock in milliseconds at which the epoch was raised. The lower 20 are drawn from
/// what is fixed within an epoch. So two nodes that change a field at once agree on the later change, and those that
/// change it alike in the same millisecond share the epoch.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

const SHAPE_BITS: u32 = 20;

impl Epoch {
    /// The epoch of a field before anybody declared one.
    pub const IMPLICIT: Self = Self(0);

    /// The epoch that follows `self` when a field takes the given shape at `wall_ms`; at the end of time, the last.
    #[must_use]
    pub fn raised(self, wall_ms: u64, shape: u64) -> Self {
        let shape = shape & ((1 << SHAPE_BITS) - 1);
        let wall_ms = wall_ms.min((u64::MAX >> SHAPE_BITS) - 1);
        let at_clock = (wall_ms << SHAPE_BITS) | shape;
        if at_clock > self.0 {
            return Self(at_clock);
        }
        let next = (self.wall_ms() + 1).min(u64::MAX >> SHAPE_BITS);
        Self((next << SHAPE_BITS) | shape)
    }

    /// What was drawn from the shape.
    #[must_use]
    pub fn shape_bits(self) -> u64 {
        self.0 & ((1 << SHAPE_BITS) - 1)
    }

    /// The wall clock at which the epoch was raised, milliseconds since the Unix epoch.
    #[must_use]
    pub fn wall_ms(self) -> u64 {
        self.0 >> SHAPE_BITS
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What an entry belongs to.
///
/// Ordered so that all scopes of one kind lie together, and the epochs of a field one after the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The whole cluster: the entry belongs to no field.
    Cluster,
    /// A field, through all its epochs: the entry outlives resets, and the drop of the field.
    Field(FieldName),
    /// One epoch of a field: the entry ends with its origin's tombstone.
    Epoch(FieldName, Epoch),
}

impl Scope {
    /// The kind of the scope.
    #[must_use]
    pub fn kind(&self) -> ScopeKind {
        match self {
            Self::Cluster => ScopeKind::Cluster,
            Self::Field(_) => ScopeKind::Field,
            Self::Epoch(..) => ScopeKind::Epoch,
        }
    }

    /// The field; `None` for the cluster.
    #[must_use]
    pub fn field(&self) -> Option<&FieldName> {
        match self {
            Self::Cluster => None,
            Self::Field(field) | Self::Epoch(field, _) => Some(field),
        }
    }

    /// The epoch, of an entry that ends with it.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::Cluster | Self::Field(_) => None,
            Self::Epoch(_, epoch) => Some(*epoch),
        }
    }
}

/// A kind of [`Scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScopeKind {
    /// See [`Scope::Cluster`].
    Cluster,
    /// See [`Scope::Field`].
    Field,
    /// See [`Scope::Epoch`].
    Epoch,
}

impl fmt::Display for ScopeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Field => "field",
            Self::Epoch => "epoch",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_always_rises_and_settles_by_clock() {
        let first = Epoch::IMPLICIT.raised(1_000, 7);
        for (clock, shape) in [(1_000, 7), (1_000, 0), (999, 9), (0, 0), (5_000, 0), (u64::MAX, 1)] {
            assert!(first.raised(clock, shape) > first, "{clock} {shape}");
        }
        assert!(first.raised(2_000, 0) < first.raised(2_001, 0), "the later change wins");
        assert_eq!(first.raised(2_000, 3), first.raised(2_000, 3), "alike changes share it");
        let last = first.raised(u64::MAX, 1).raised(u64::MAX, 1).raised(u64::MAX, 1);
        assert!(last > first && last.raised(5, 9) >= last, "at the end of time it stays there: {last}");
    }
}
