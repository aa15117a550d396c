//! Tests of rollouts through the public interface.

mod assignment;
mod gates;
mod laws;
mod models;
mod outcomes;
mod rates;
mod refusals;
mod remediations;
mod rollbacks;
mod simulation;
mod support;
