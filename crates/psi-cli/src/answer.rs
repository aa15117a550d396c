//! What nodes answer, as programs read it from `--output json`: keys are stable, absent values are null.

use std::fmt;

use data_encoding::HEXLOWER;
use psi_api::v1;
use psi_engine::Metrics as Engine;
use serde::Serialize;

use crate::numbers;

/// The metrics of a step, by their names.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Metrics {
    pub(crate) density: f64,
    pub(crate) continuity: f64,
    pub(crate) futurity: f64,
    pub(crate) phase_coherence: f64,
    pub(crate) temporal_entropy: f64,
    pub(crate) prediction_error: f64,
    pub(crate) memory: f64,
    pub(crate) time_dilation: f64,
}

/// How formulas write the metrics, in the order of their names.
pub(crate) const SYMBOLS: [&str; 8] = ["Ψ", "C", "U", "Φ", "H", "PE", "M", "dt_eff"];

impl Metrics {
    /// Symbol, name and value of each.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str, f64)> {
        let values = [
            self.density,
            self.continuity,
            self.futurity,
            self.phase_coherence,
            self.temporal_entropy,
            self.prediction_error,
            self.memory,
            self.time_dilation,
        ];
        SYMBOLS.into_iter().zip(Engine::NAMES).zip(values).map(|((symbol, name), value)| (symbol, name, value))
    }
}

impl From<v1::Metrics> for Metrics {
    fn from(from: v1::Metrics) -> Self {
        Self {
            density: from.density,
            continuity: from.continuity,
            futurity: from.futurity,
            phase_coherence: from.phase_coherence,
            temporal_entropy: from.temporal_entropy,
            prediction_error: from.prediction_error,
            memory: from.memory,
            time_dilation: from.time_dilation,
        }
    }
}

/// An accepted step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) field: String,
    pub(crate) engine: String,
    pub(crate) k: u64,
    pub(crate) node: String,
    pub(crate) timestamp: Option<String>,
    pub(crate) metrics: Option<Metrics>,
    pub(crate) token: String,
    /// Null unless a level was asked for.
    pub(crate) replicated: Option<Replicated>,
}

/// How far a write got.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Replicated {
    /// The highest level reached, up to the one asked for.
    level: &'static str,
    nodes: u32,
    of: u32,
}

impl From<v1::Replicated> for Replicated {
    fn from(from: v1::Replicated) -> Self {
        let level = match from.level() {
            v1::ReplicationLevel::Unspecified | v1::ReplicationLevel::Local => "local",
            v1::ReplicationLevel::One => "one",
            v1::ReplicationLevel::Majority => "majority",
            v1::ReplicationLevel::All => "all",
        };
        Self { level, nodes: from.nodes, of: from.of }
    }
}

impl fmt::Display for Replicated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held by {} of {} known nodes: level {} is reached", self.nodes, self.of, self.level)
    }
}

impl From<v1::StepResponse> for Step {
    fn from(from: v1::StepResponse) -> Self {
        Self {
            timestamp: from.timestamp.map(|time| numbers::time(time.seconds, time.nanos)),
            field: from.field,
            engine: from.engine,
            k: from.k,
            node: from.node,
            metrics: from.metrics.map(Into::into),
            token: from.token,
            replicated: from.replicated.map(Into::into),
        }
    }
}

/// A field's description.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) engine: String,
    pub(crate) width: u32,
    pub(crate) scale_exponent: i32,
    pub(crate) seed: u64,
    /// As text: 64-bit integers lose digits in jq and JavaScript.
    pub(crate) epoch: String,
    pub(crate) parameters: serde_json::Map<String, serde_json::Value>,
}

impl From<v1::Field> for Field {
    fn from(from: v1::Field) -> Self {
        Self {
            parameters: from.parameters.into_iter().map(|one| (one.name, one.value.into())).collect(),
            name: from.name,
            engine: from.engine,
            width: from.width,
            scale_exponent: from.scale_exponent,
            seed: from.seed,
            epoch: from.epoch.to_string(),
        }
    }
}

/// A field as all nodes' entries make it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct State {
    pub(crate) field: Option<Field>,
    pub(crate) k: u64,
    pub(crate) timestamp: Option<String>,
    pub(crate) last_node: Option<String>,
    pub(crate) last: Option<Metrics>,
    pub(crate) window_mean: Option<Metrics>,
    pub(crate) window_steps: u64,
    pub(crate) noise: f64,
    pub(crate) interventions: u64,
    pub(crate) steps_dropped: u64,
    pub(crate) mean: Vec<f64>,
    pub(crate) variance: Vec<f64>,
    pub(crate) node: String,
    pub(crate) token: String,
}

impl From<v1::FieldState> for State {
    fn from(from: v1::FieldState) -> Self {
        Self {
            field: from.field.map(Into::into),
            k: from.k,
            timestamp: from.timestamp.map(|time| numbers::time(time.seconds, time.nanos)),
            last_node: Some(from.last_node).filter(|node| !node.is_empty()),
            last: from.last.map(Into::into),
            window_mean: from.window_mean.map(Into::into),
            window_steps: from.window_steps,
            noise: from.noise,
            interventions: from.interventions,
            steps_dropped: from.steps_dropped,
            mean: from.mean,
            variance: from.variance,
            node: from.node,
            token: from.token,
        }
    }
}

/// Frontier hash and digest, in hexadecimal; empty where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Agreement {
    pub(crate) frontier_hash: String,
    pub(crate) digest: String,
}

impl From<v1::Agreement> for Agreement {
    fn from(from: v1::Agreement) -> Self {
        Self { frontier_hash: HEXLOWER.encode(&from.frontier_hash), digest: HEXLOWER.encode(&from.digest) }
    }
}
