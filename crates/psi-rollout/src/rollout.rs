//! Where a rollout stands, and what may follow.
//!
//! A rollout changes by [`Record`]s. Those that a majority decides stand in one order; a rollback needs no majority and
//! may come from anywhere at any time, so that it counts wherever it stands.

mod encoding;
mod facts;
mod next;
mod record;
mod refusal;
mod state;

pub(crate) use encoding::{PlanMessage, RolloutMessage};
pub use facts::{Facts, Member, StartFacts};
pub use next::Next;
pub use record::{Command, FORCE_BYTES_MAX, Force, ForceError, Record, Status};
pub use refusal::Refusal;
pub use state::{Effect, Rollout, RolloutSetup};
