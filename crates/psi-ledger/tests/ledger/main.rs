//! What holds of trees, records, heads and files.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

mod bodies;
mod comparison;
mod exports;
mod file;
mod held;
mod mutation;
mod proofs;
mod properties;
mod replacement;
mod support;
mod vectors;
