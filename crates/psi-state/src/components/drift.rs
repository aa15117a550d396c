//! Whether a field's inputs still come from where they came from: where buckets lie, counts by time, what is usual, and
//! the verdict that follows from these.

pub(crate) mod anchors;
pub(crate) mod baselines;
mod counts;
mod held;
mod judgement;
pub(crate) mod levels;
pub(crate) mod onsets;
mod own;
pub(crate) mod registration;
pub(crate) mod slots;
pub(crate) mod values;
pub(crate) mod view;
