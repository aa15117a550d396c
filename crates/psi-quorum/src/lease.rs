//! Leases: a register whose steps say who holds something, and until when others wait.

mod grant;
mod holder;
mod value;
mod verdict;
mod voter;

pub use grant::Grant;
pub use holder::Lease;
pub use value::{ClientName, DURATION_MS_MAX, DurationError, Fence, Holder, LeaseDuration, LeaseValue};
pub use verdict::{LeaseProgress, LeaseVerdict};
pub use voter::LeaseVoter;
