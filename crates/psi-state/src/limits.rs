//! Limits that more than one file needs.

use psi_engine::Metrics;

/// Widest input vector.
pub const WIDTH_MAX: usize = 4096;
/// Width of an input vector where none is asked for.
pub const WIDTH_DEFAULT: usize = 16;
/// Numbers in a step's metrics.
pub const METRICS: usize = Metrics::NAMES.len();
/// Most vectors in one batch.
pub const BATCH_MAX: usize = 4096;
