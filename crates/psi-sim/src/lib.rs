//! Whole clusters on a virtual network and a virtual clock: the real [`psi_replica::Replica`] under faults that a seed
//! draws. One seed is one run, the same to the last byte each time.
//!
//! After Deterministic simulation as FoundationDB (Zhou et al., 2021) and TigerBeetle do it. What is left out: sockets,
//! threads and the machine's clock; what the shell does around a replica is modelled, not run.

pub mod compare;
pub mod model;
mod rng;

pub use rng::Rng;
