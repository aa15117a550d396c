//! Outcomes of runs: counts, markers, the trace, and the words for them.

mod counts;
pub(crate) mod events;
pub(crate) mod frames;
mod marker_counts;
pub(crate) mod markers;
mod trace;

pub(crate) use self::trace::Trace;
pub use self::{counts::Counts, marker_counts::MarkerCounts, trace::Sink};
