//! From the inner crates' types to messages.

use psi_engine::Metrics;
use psi_replica::{Clock, CurrentSpec, Digest, FieldView, Step};

use crate::v1;

/// A hybrid clock as wall time; the counter orders what falls into one millisecond and is left out.
#[must_use]
pub fn timestamp(clock: Clock) -> prost_types::Timestamp {
    let seconds = i64::try_from(clock.wall_ms / 1000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(clock.wall_ms % 1000).unwrap_or(0) * 1_000_000;
    prost_types::Timestamp { seconds, nanos }
}

/// An accepted step, its replication left out.
#[must_use]
pub fn step(field: &str, engine: &str, step: &Step, token: String) -> v1::StepResponse {
    v1::StepResponse {
        field: field.to_owned(),
        metrics: Some(step.metrics.into()),
        k: step.k,
        timestamp: Some(timestamp(step.clock)),
        node: step.origin.node.to_string(),
        token,
        engine: engine.to_owned(),
        replicated: None,
    }
}

/// A field's description, without a token.
#[must_use]
pub fn field(current: &CurrentSpec) -> v1::Field {
    let spec = &current.spec;
    v1::Field {
        name: current.field.to_string(),
        epoch: current.epoch.0,
        engine: spec.setup.shape.engine.clone(),
        width: u32::try_from(spec.setup.shape.width).unwrap_or(u32::MAX),
        scale_exponent: spec.setup.shape.scale.exponent(),
        seed: spec.setup.shape.seed,
        parameters: spec
            .setup
            .parameters
            .iter()
            .map(|(name, value)| v1::Parameter { name: name.to_owned(), value })
            .collect(),
        token: String::new(),
    }
}

/// A field's state.
#[must_use]
pub fn state(view: &FieldView, node: &str, token: String) -> v1::FieldState {
    v1::FieldState {
        field: Some(field(&view.spec)),
        k: view.count,
        last: view.last.as_ref().map(|last| last.metrics.into()),
        timestamp: view.last.as_ref().map(|last| timestamp(last.clock)),
        last_node: view.last.as_ref().map(|last| last.origin.node.to_string()).unwrap_or_default(),
        window_mean: view.window_mean().map(Into::into),
        window_steps: view.window.count(),
        mean: view.mean().unwrap_or_default(),
        variance: view.variance().unwrap_or_default(),
        noise: view.noise.value(),
        interventions: view.interventions,
        steps_dropped: view.steps_dropped,
        node: node.to_owned(),
        token,
    }
}

/// Frontier hash and digest.
#[must_use]
pub fn agreement(frontier_hash: Digest, digest: Digest) -> v1::Agreement {
    v1::Agreement { frontier_hash: frontier_hash.to_bytes().to_vec(), digest: digest.to_bytes().to_vec() }
}

impl From<Metrics> for v1::Metrics {
    fn from(metrics: Metrics) -> Self {
        Self {
            density: metrics.density,
            continuity: metrics.continuity,
            futurity: metrics.futurity,
            phase_coherence: metrics.phase_coherence,
            temporal_entropy: metrics.temporal_entropy,
            prediction_error: metrics.prediction_error,
            memory: metrics.memory,
            time_dilation: metrics.time_dilation,
        }
    }
}

impl From<v1::Metrics> for Metrics {
    fn from(metrics: v1::Metrics) -> Self {
        Self {
            density: metrics.density,
            continuity: metrics.continuity,
            futurity: metrics.futurity,
            phase_coherence: metrics.phase_coherence,
            temporal_entropy: metrics.temporal_entropy,
            prediction_error: metrics.prediction_error,
            memory: metrics.memory,
            time_dilation: metrics.time_dilation,
        }
    }
}

impl From<psi_engine::Action> for v1::Intervention {
    fn from(action: psi_engine::Action) -> Self {
        match action {
            psi_engine::Action::Nigredo => Self::Nigredo,
            psi_engine::Action::Albedo => Self::Albedo,
        }
    }
}
