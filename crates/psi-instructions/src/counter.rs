//! The one function whose instructions are counted.

use std::hint::black_box;

/// Does `work`, which is counted: Valgrind looks out for this function's name. What comes out is dropped by the caller,
/// uncounted.
#[inline(never)]
pub(crate) fn counted_by_valgrind<R>(work: impl FnOnce() -> R) -> R {
    black_box(work())
}
