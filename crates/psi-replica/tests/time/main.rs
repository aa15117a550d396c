//! Clocks that are wrong, together and apart, on real replicas: steps go on, clocks never stand still, and nothing is lost.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "helpers of tests, where a panic is the report")]

#[path = "../common/mod.rs"]
mod common;
mod counts;
mod overtaken;
mod scenarios;
mod world;
