//! The shapes of answers: the keys of the service of old first, in its order, then what is new.
//!
//! Numbers are written in the fewest digits that read back to the same bits. Where the old service gave seconds
//! since the Unix epoch, so does this one; where it gave ISO 8601 text, this one gives it in UTC to the millisecond
//! (`2026-11-23T01:37:03.639Z`).

pub(super) mod fields;
pub(super) mod guardian;

use crate::{ops::Stepped, pending::Intervened, replicated::Replicated};
use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use psi_engine::{Action, Metrics, Parameters};
use psi_replica::{CurrentSpec, FieldView, LearnedView};
use serde::{Serialize, Serializer, ser::SerializeMap};

use guardian::Reaction;

/// The metrics of a step by their symbols.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Scores {
    #[serde(rename = "Psi")]
    density: f64,
    #[serde(rename = "C")]
    continuity: f64,
    #[serde(rename = "U")]
    futurity: f64,
    #[serde(rename = "Phi")]
    phase_coherence: f64,
    #[serde(rename = "H")]
    temporal_entropy: f64,
    #[serde(rename = "PE")]
    prediction_error: f64,
    #[serde(rename = "M")]
    memory: f64,
    #[serde(rename = "dt_eff")]
    time_dilation: f64,
}

impl From<Metrics> for Scores {
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

/// The latest step's metrics; before the first one, zeros and the nominal step length, as the service of old.
pub(super) fn latest(view: &FieldView) -> Metrics {
    let before = || {
        let mut zeros = Metrics::from_array([0.0; 8]);
        zeros.time_dilation = view.spec.spec.setup.parameters.dt();
        zeros
    };
    view.last.as_ref().map_or_else(before, |last| last.metrics)
}

/// To `POST /step`.
#[derive(Debug, Serialize)]
pub(super) struct StepAnswer<'a> {
    // Not flattened, which is slower to write.
    #[serde(rename = "Psi")]
    density: f64,
    #[serde(rename = "C")]
    continuity: f64,
    #[serde(rename = "U")]
    futurity: f64,
    #[serde(rename = "Phi")]
    phase_coherence: f64,
    #[serde(rename = "H")]
    temporal_entropy: f64,
    #[serde(rename = "PE")]
    prediction_error: f64,
    #[serde(rename = "M")]
    memory: f64,
    #[serde(rename = "dt_eff")]
    time_dilation: f64,
    k: u64,
    timestamp: String,
    node: &'a str,
    token: &'a str,
    field: &'a str,
    engine: &'static str,
    /// If the request asked for a level.
    #[serde(skip_serializing_if = "Option::is_none")]
    replicated: Option<ReplicatedAnswer>,
    novelty: f64,
    att_gain: f64,
    /// Where the engine keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<f64>,
    /// If the guardian intervened after the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    guardian: Option<Reaction>,
}

impl IntoResponse for StepAnswer<'_> {
    /// As [`Json`] does it, with room for the usual answer from the start.
    fn into_response(self) -> Response {
        const ROOM: usize = 1024;
        let mut body = Vec::with_capacity(ROOM);
        match serde_json::to_writer(&mut body, &self) {
            Ok(()) => ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
            Err(_) => Json(self).into_response(),
        }
    }
}

/// How far a write got.
#[derive(Debug, Serialize)]
struct ReplicatedAnswer {
    level: &'static str,
    nodes: usize,
    of: usize,
}

impl From<Replicated> for ReplicatedAnswer {
    fn from(replicated: Replicated) -> Self {
        let Replicated { level, nodes, of } = replicated;
        Self { level: level.as_str(), nodes, of }
    }
}

impl<'a> From<&'a Stepped> for StepAnswer<'a> {
    fn from(stepped: &'a Stepped) -> Self {
        let Stepped { step, field, token, replicated } = stepped;
        let metrics = step.metrics;
        Self {
            density: metrics.density,
            continuity: metrics.continuity,
            futurity: metrics.futurity,
            phase_coherence: metrics.phase_coherence,
            temporal_entropy: metrics.temporal_entropy,
            prediction_error: metrics.prediction_error,
            memory: metrics.memory,
            time_dilation: metrics.time_dilation,
            k: step.k,
            timestamp: utc(step.clock.wall_ms),
            node: step.origin.node.as_str(),
            token,
            field: field.as_str(),
            engine: step.engine.as_str(),
            replicated: (*replicated).map(Into::into),
            novelty: step.novelty,
            att_gain: step.attention_gain,
            t: step.time,
            guardian: step.intervened.map(Into::into),
        }
    }
}

/// To `GET /state`.
#[derive(Debug, Serialize)]
pub(super) struct StateAnswer {
    /// Of the latest step.
    #[serde(flatten)]
    scores: Scores,
    k: u64,
    /// When the latest step was accepted; before the first, now.
    timestamp: String,
    /// The node that answers.
    node: String,
    token: String,
    field: String,
    engine: String,
    /// Text: most JSON readers round integers of this size.
    epoch: String,
    width: usize,
    noise: f64,
    interventions: u64,
    /// Of the inputs, one number a dimension; empty before the first step.
    mean: Vec<f64>,
    /// Sample variance of the inputs; empty before the second step.
    variance: Vec<f64>,
    window: Window,
    steps_dropped: u64,
    /// The node that accepted the latest step; empty before the first.
    last_node: String,
    /// Of the latest step; 0 before the first, as the next.
    novelty: f64,
    att_gain: f64,
    /// Where the engine keeps it, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<f64>,
    red_flag: bool,
    /// Where the engine learns.
    #[serde(skip_serializing_if = "Option::is_none")]
    learned: Option<LearnedAnswer>,
}

/// What the field holds of what its engine learned.
#[derive(Debug, Serialize)]
struct LearnedAnswer {
    updates: u64,
    latents: usize,
    working_memories: usize,
    episodic_memories: usize,
}

impl From<LearnedView> for LearnedAnswer {
    fn from(view: LearnedView) -> Self {
        let LearnedView { updates, latents, working_memories, episodic_memories, .. } = view;
        Self { updates, latents, working_memories, episodic_memories }
    }
}

/// Means of the metrics over the 60 s up to the latest step; only `steps` before the first.
#[derive(Debug, Serialize)]
struct Window {
    #[serde(flatten)]
    means: Option<Scores>,
    steps: u64,
}

impl StateAnswer {
    pub(super) fn new(view: &FieldView, node: &str, token: String, now_ms: u64) -> Self {
        Self {
            scores: latest(view).into(),
            k: view.count,
            timestamp: utc(view.last.as_ref().map_or(now_ms, |last| last.clock.wall_ms)),
            node: node.to_owned(),
            token,
            field: view.spec.field.to_string(),
            engine: view.spec.spec.setup.shape.engine.clone(),
            epoch: view.spec.epoch.to_string(),
            width: view.spec.spec.setup.shape.width,
            noise: view.noise.value(),
            interventions: view.interventions,
            mean: view.mean().unwrap_or_default(),
            variance: view.variance().unwrap_or_default(),
            window: Window { means: view.window_mean().map(Into::into), steps: view.window.count() },
            steps_dropped: view.steps_dropped,
            last_node: view.last.as_ref().map(|last| last.origin.node.to_string()).unwrap_or_default(),
            novelty: view.last.as_ref().map_or(0.0, |last| last.novelty),
            att_gain: view.last.as_ref().map_or(0.0, |last| last.attention_gain),
            t: view.learned.map(|learned| learned.time.seconds()),
            red_flag: view.guardian.flag.is_some(),
            learned: view.learned.map(Into::into),
        }
    }
}

/// All parameters by name, the fifteen of the service of old first. Counts are integers.
#[derive(Debug)]
pub(super) struct Named(Parameters);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (definition, (name, value)) in psi_engine::DEFINITIONS.iter().zip(self.0.iter()) {
            if definition.whole {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a whole number of at most 4096"
                )]
                map.serialize_entry(name, &(value as u32))?;
            } else {
                map.serialize_entry(name, &value)?;
            }
        }
        map.end()
    }
}

/// To `GET /params`.
#[derive(Debug, Serialize)]
pub(super) struct ParamsAnswer {
    #[serde(flatten)]
    params: Named,
    timestamp: f64,
    field: String,
    /// Text: most JSON readers round integers of this size.
    epoch: String,
    engine: String,
    width: usize,
}

impl ParamsAnswer {
    pub(super) fn new(current: CurrentSpec, now_ms: u64) -> Self {
        Self {
            params: Named(current.spec.setup.parameters),
            timestamp: seconds(now_ms),
            field: current.field.to_string(),
            epoch: current.epoch.to_string(),
            engine: current.spec.setup.shape.engine,
            width: current.spec.setup.shape.width,
        }
    }
}

/// To `POST /init`.
#[derive(Debug, Serialize)]
pub(super) struct InitAnswer {
    status: &'static str,
    params: Named,
    timestamp: f64,
    field: String,
    /// Text: most JSON readers round integers of this size.
    epoch: String,
    node: String,
    token: String,
}

impl InitAnswer {
    pub(super) fn new(current: CurrentSpec, node: &str, token: String) -> Self {
        Self {
            status: "initialized",
            timestamp: seconds(current.spec.clock.wall_ms),
            params: Named(current.spec.setup.parameters),
            field: current.field.to_string(),
            epoch: current.epoch.to_string(),
            node: node.to_owned(),
            token,
        }
    }
}

/// To `POST /guardian/nigredo` and `albedo`.
#[derive(Debug, Serialize)]
pub(super) struct InterventionAnswer {
    action: &'static str,
    success: bool,
    timestamp: String,
    field: String,
    noise: f64,
    node: String,
    token: String,
    /// If the request asked for a level.
    #[serde(skip_serializing_if = "Option::is_none")]
    replicated: Option<ReplicatedAnswer>,
}

impl InterventionAnswer {
    pub(super) fn new(action: Action, field: &str, intervened: Intervened) -> Self {
        let Intervened { intervention, token, replicated } = intervened;
        Self {
            action: action.as_str(),
            success: true,
            timestamp: utc(intervention.clock.wall_ms),
            field: if field.is_empty() { psi_replica::DEFAULT_FIELD } else { field }.to_owned(),
            noise: intervention.noise,
            node: intervention.origin.node.to_string(),
            token,
            replicated: replicated.map(Into::into),
        }
    }
}

/// Seconds since the Unix epoch.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
pub(super) fn seconds(wall_ms: u64) -> f64 {
    wall_ms as f64 / 1000.0
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn utc(wall_ms: u64) -> String {
    const TO_THE_MILLISECOND: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    let timestamp = i64::try_from(wall_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    TO_THE_MILLISECOND.timestamp_to_string(&timestamp.unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_millisecond() {
        for (wall_ms, want) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_397_823_639, "2026-11-23T01:37:03.639Z"),
            (1_795_397_823_000, "2026-11-23T01:37:03.000Z"),
        ] {
            assert_eq!(utc(wall_ms), want);
        }
        assert!(utc(u64::MAX).starts_with("9999-"));
    }
}
