//! Whether a window of inputs still comes from where a baseline came from.
//!
//! Inputs are counted by buckets, per column and per *joint column*, which a change of correlation moves though no column
//! does. Counts are integers that add and subtract: those of a window depend on the inputs in it alone, never on which
//! node took them, nor on their order.
//!
//! A [`Histogram`] counts; an [`Anchor`] says where its buckets lie. A [`Baseline`] is a histogram that others are compared
//! with, cut into windows by which its own wandering is known. [`Baseline::compare`] gives the population stability index
//! (PSI) of each column, how much of it is no chance, and how probable so much would be if nothing had changed.
//!
//! What is left out: nothing here has a clock, knows which window is compared when, or tells anybody.

mod anchor;
mod baseline;
mod comparison;
mod f_distribution;
mod groups;
mod histogram;
mod joint;
mod null;

pub use anchor::{ANCHOR_INPUTS, Anchor, COLUMN_BUCKETS, ColumnAnchor};
pub use baseline::{Baseline, BaselineError, PARTS_MIN};
pub use comparison::{Comparison, Thresholds};
pub use histogram::{Histogram, HistogramError};
