//! Tests of processes: specs, gates, transitions, and what they come to.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

mod attestation;
mod buckets;
mod chains;
mod examples;
mod fates;
mod gates;
mod hostile;
mod specs;
mod statements;
mod support;
mod transitions;
