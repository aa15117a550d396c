//! Tests of processes: specs, gates, transitions, and what they come to.

mod attestation;
mod decided;
mod examples;
mod fold;
mod gates;
mod hostile;
mod oracle;
mod specs;
mod statements;
mod support;
mod transitions;
