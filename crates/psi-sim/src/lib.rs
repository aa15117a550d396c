//! Whole clusters on a virtual network and a virtual clock: the real [`psi_replica::Replica`] under faults that a seed
//! draws. One seed is one run, the same to the last byte each time.
//!
//! Deterministic simulation as FoundationDB (Zhou et al., 2021) and TigerBeetle do it. What is left out: sockets,
//! threads and the machine's clock; what the shell does around a replica is modelled, not run.

pub mod burst;
mod carriage;
mod checks;
pub mod compare;
mod disk;
mod events;
mod faults;
mod frames;
mod liveness;
mod marker_counts;
mod markers;
mod membership;
mod network;
pub mod oracle;
mod plan;
mod process;
mod rng;
mod run;
mod sessions;
mod setups;
mod sweep;
mod trace;
mod views;
mod workload;
mod world;

pub use liveness::Rounds;
pub use marker_counts::MarkerCounts;
pub use markers::Marker;
pub use plan::{Mode, WALL_MS};
pub use rng::Rng;
pub use run::{Failure, Options, ROUND_MS, Report, run};
pub use sweep::{MARKED_SEEDS, Sweep, Totals};
pub use trace::Sink;
pub use world::Counts;
