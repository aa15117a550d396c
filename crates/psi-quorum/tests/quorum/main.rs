//! What holds of voters, proposers and leases.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

mod exhaustive;
mod leases;
mod simulation;
mod steps;
mod support;
mod wire;
