//! How many records a ledger may have.

/// Most records of a ledger. At a million a second it takes nine years to write them.
pub const SIZE_MAX: u64 = 1 << 48;

/// A number of records that no head has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a head covers 1 to {SIZE_MAX} records, and this says {0}; a new run begins a new ledger")]
pub struct SizeError(pub u64);

/// Whether a head may cover so many.
pub(super) fn check_size(size: u64) -> Result<(), SizeError> {
    if (1..=SIZE_MAX).contains(&size) { Ok(()) } else { Err(SizeError(size)) }
}
