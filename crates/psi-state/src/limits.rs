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

/// How much there may be of all fields together. It bounds what this replica's callers add. What others accepted is taken
/// in all the same, or replicas would not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Most fields.
    pub fields_max: usize,
    /// Most bytes of the values of all entries. Beyond, no field is made and no step is taken in.
    pub bytes_max: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { fields_max: 100_000, bytes_max: 512 << 20 }
    }
}
