//! What a component's file says of a write that callers ask for, so that it need not know the replica.

use bytes::Bytes;
use psi_replica::{Clock, Lane, Origin, Version};

/// Something that callers attach to a field, whichever epoch is current: one entry of scope field.
pub trait LastingWrite {
    /// The lane of its entry.
    const LANE: Lane;

    /// The index of its entry.
    fn index(&self) -> u64 {
        0
    }

    /// How many columns the field must have, where it says something of each.
    fn columns(&self) -> Option<usize> {
        None
    }

    /// The value of its entry, when written at `clock`.
    fn encode(self, clock: Clock) -> Bytes;
}

/// What became of such a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastingReceipt {
    /// When it was accepted.
    pub clock: Clock,
    /// Who accepted it.
    pub origin: Origin,
    /// The version that the write took.
    pub version: Version,
}
