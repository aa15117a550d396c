//! Exact running statistics: the same inputs give the same bits, however they were split, ordered and merged.
//!
//! Floating-point merging is not associative, so moments are integers here. An input component is rounded once to a
//! [`FixedPoint`]; [`Moments`] hold the count, Σx and Σx² of whole vectors; [`Totals`] fold the moments of many origins
//! and can take one out again; [`Window`] and [`WindowTotals`] do the same for the last minute. Mean, variance and
//! standard deviation are read out once, each correctly rounded; [`ZScores`] say how unlike the others a vector is.
//!
//! What is left out: the crate does no I/O and reads no clock, it knows nothing of origins, fields or replication, and no
//! floating-point number takes part in a sum. [`drift`] counts inputs by buckets, and says whether two sets of them differ
//! by more than chance.
//!
//! ```
//! use psi_stats::{Moments, Scale, quantize};
//!
//! let scale = Scale::default();
//! let (mut left, mut right) = (Moments::new(2), Moments::new(2));
//! left.add(&quantize(&[1.0, 10.0], scale)?)?;
//! right.add(&quantize(&[2.0, 20.0], scale)?)?;
//! right.add(&quantize(&[6.0, 30.0], scale)?)?;
//! left.merge(&right)?;
//! assert_eq!(left.mean(scale), Some(vec![3.0, 20.0]));
//! assert_eq!(left.variance(scale), Some(vec![7.0, 100.0]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod drift;
mod encode;
mod fixed;
mod moments;
mod readout;
mod scale;
mod window;
mod z_scores;

pub use encode::DecodeError;
pub use fixed::FixedPoint as Fixed; // until all callers use the new name
pub use fixed::{FixedError, FixedPoint, QuantizeError, quantize, quantize_into};
pub use moments::sums::SumsFault;
pub use moments::totals::Totals;
pub use moments::{COUNT_LIMIT, Moments, MomentsError};
pub use scale::{Scale, ScaleError};
pub use window::totals::WindowTotals;
pub use window::{BUCKETS, SPAN_SECONDS, Window};
pub use z_scores::{ColumnZ, FARTHEST, ZScores};
