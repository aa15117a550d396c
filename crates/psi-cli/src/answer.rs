//! What nodes answer, as programs read it from `--output json`: keys are stable, absent values are null.

pub(crate) mod guardian;

use std::fmt;

use data_encoding::HEXLOWER;
use psi_api::v1;
use psi_engine::Metrics as Engine;
use serde::Serialize;

use crate::output::numbers;

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
    pub(crate) replicated: Option<Replication>,
    pub(crate) novelty: f64,
    pub(crate) attention_gain: f64,
    /// t, seconds; null where the engine keeps none.
    pub(crate) time: Option<f64>,
    /// Null unless the guardian intervened after the step.
    pub(crate) guardian: Option<guardian::Reaction>,
}

/// How far a write got.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Replication {
    /// The highest level reached, up to the one asked for.
    level: &'static str,
    nodes: u32,
    of: u32,
}

impl From<v1::Replicated> for Replication {
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

impl fmt::Display for Replication {
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
            novelty: from.novelty,
            attention_gain: from.attention_gain,
            time: from.time,
            guardian: from.guardian.map(Into::into),
        }
    }
}

/// A field's description.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) engine: String,
    /// Null for a mode of a later version.
    pub(crate) guardian: Option<&'static str>,
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
            guardian: guardian::mode(from.guardian()),
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
    /// Of the last step; null before the first, as the next.
    pub(crate) novelty: Option<f64>,
    pub(crate) attention_gain: Option<f64>,
    /// t, seconds; null where the engine keeps none.
    pub(crate) time: Option<f64>,
    /// Why the guardian's red flag is up; null if it is down.
    pub(crate) red_flag: Option<&'static str>,
    /// Null where the engine does not learn.
    pub(crate) learned: Option<LearnerState>,
}

/// What an engine that learns holds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LearnerState {
    pub(crate) updates: u64,
    pub(crate) latents: u32,
    pub(crate) working_memories: u32,
    pub(crate) episodic_memories: u32,
}

impl From<v1::Learned> for LearnerState {
    fn from(from: v1::Learned) -> Self {
        let v1::Learned { updates, latents, working_memories, episodic_memories } = from;
        Self { updates, latents, working_memories, episodic_memories }
    }
}

impl From<v1::FieldState> for State {
    fn from(from: v1::FieldState) -> Self {
        Self {
            red_flag: guardian::threat(from.red_flag()),
            novelty: from.novelty,
            attention_gain: from.attention_gain,
            time: from.time,
            learned: from.learned.map(Into::into),
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
