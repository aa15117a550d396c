//! When something happened in a field, and so in which order it counts.

use psi_replica::{Clock, Origin};

/// When something happened in a field: no two writes of an origin share a clock.
pub(crate) type Moment = (Clock, Origin);

/// Where one of several things of an origin stands in that order. The last number is its index in its lane, so that
/// places differ whatever an origin writes.
pub(crate) type Place = (Clock, Origin, u64);

/// Whose a value is: in the base it may name its author; any other origin writes for itself alone.
pub(crate) fn author_of<'a>(origin: &'a Origin, author: Option<&'a Origin>) -> &'a Origin {
    author.filter(|_| origin.is_base()).unwrap_or(origin)
}
