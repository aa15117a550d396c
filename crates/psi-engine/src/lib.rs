//! The ψ-engine: turns one input vector into the metrics of one step.
//!
//! This crate is arithmetic only. It has no clock, no randomness, no I/O and no iteration whose order could differ, so
//! the same call gives the same bits on every machine: transcendental functions come from `libm`, sums run in a fixed
//! order, and nothing is fused. History enters as arguments, such as the [`Noise`] that past interventions leave, and
//! what is random by nature is drawn by seed and step ([`core::draw`]).
//!
//! Left out on purpose: where the input comes from, who remembers it, in what order interventions happened (the
//! caller supplies it), and how metrics are published.
//!
//! Start at [`synthetic::score`]; [`core`] is the full engine.
//!
//! ```
//! use ndarray::arr1;
//! use psi_engine::{Action, Parameters, fold_noise, synthetic};
//!
//! let noise = fold_noise([Action::Nigredo, Action::Albedo]);
//! let input = arr1(&[0.1, 0.2, 0.3]);
//! let metrics = synthetic::score(input.view(), noise, &Parameters::default());
//! assert_eq!(metrics.prediction_error, (0.3 - 0.2_f64).abs() + noise.value());
//! ```

pub mod core;
pub mod guardian;
mod kind;
mod metrics;
mod noise;
mod parameters;
mod suggest;
pub mod synthetic;

pub use kind::{EngineKind, UnknownEngine};
pub use metrics::Metrics;
pub use noise::{Action, Noise, UnknownAction, fold_noise};
pub use parameters::{
    DEFINITIONS, Definition, LATENT_MAX, ParameterError, Parameters, RETENTION_MAX, WORKING_CAPACITY_MAX,
};
