//! Whether a window of inputs still comes from where a baseline came from.
//!
//! Inputs are counted by buckets, per column and per pair of columns that go together: how far apart these are shows a
//! lost relation, though no column moves. Counts are integers that add and subtract: those of a window depend on the
//! inputs in it alone, never on which node took them, nor on their order.
//!
//! A [`Histogram`] counts; an [`Anchor`] says where its buckets lie. A [`Baseline`] is a histogram that others are compared
//! with, cut into windows by which its own wandering is known. [`Baseline::compare`] gives the population stability index
//! (PSI) of each column, how much of it is no chance, and how probable so much would be if nothing had changed.
//!
//! A [`Monitor`] does all this for rows of a file, one after the other.
//!
//! What is left out: nothing here has a clock.

mod anchor;
mod baseline;
mod column;
mod comparison;
mod histogram;
mod monitor;
mod pair;
mod verdict;

pub use anchor::{ANCHOR_COLUMNS_MAX, ANCHOR_INPUTS, Anchor, AnchorError};
pub use baseline::null::Null;
pub use baseline::{Baseline, BaselineError, PARTS_MIN};
pub use column::{COLUMN_BUCKETS, Column, ColumnAnchor};
pub use comparison::{Comparison, Thresholds};
pub use histogram::{Histogram, HistogramError, encode::HistogramDecodeError};
pub use monitor::alarm::{Alarm, Cause, QUIET_ROWS};
pub use monitor::{BASELINE_ROWS_MIN, LOOK_ROWS, Look, Monitor, MonitorError, MonitorPlan};
pub use pair::PairAnchor;
pub use verdict::{ColumnVerdict, Verdict, WindowLook};
