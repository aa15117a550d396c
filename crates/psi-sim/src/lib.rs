//! Whole clusters on a virtual network and a virtual clock: the real [`psi_state::Replica`] under faults that a seed
//! draws. One seed is one run, the same to the last byte each time.
//!
//! Deterministic simulation as FoundationDB (Zhou et al., 2021) and TigerBeetle do it. What is left out: sockets,
//! threads and the machine's clock; what the shell does around a replica is modelled, not run.

pub mod burst;
mod checks;
mod clients;
pub mod compare;
mod faults;
pub mod oracle;
mod plan;
mod report;
mod run;
pub mod transcripts;
mod world;

pub use plan::{Mode, WALL_MS, rng::Rng};
pub use report::{Counts, MarkerCounts, Sink, markers::Marker};
pub use run::{Failure, MARKED_SEEDS, Options, ROUND_MS, Report, Rounds, Sweep, Totals, run};

/// What runs of this build leave out. Nothing where the feature `testing` is on, which no release has.
pub const LEFT_OUT: &[&str] =
    if cfg!(feature = "testing") { &[] } else { &["nodes of a later version", "unknown lanes", "views folded again"] };
