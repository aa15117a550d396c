//! The answer to a step, which most answers are.

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use psi_engine::Metrics;
use psi_state::Step;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{guardian::Reaction, scores::Scores, times::utc};
use crate::{calls::answer::StepReceipt, sessions::level::ReplicationReach};

/// To `POST /step`.
#[derive(Debug)]
pub(in crate::http) struct StepAnswer<'a> {
    metrics: Metrics,
    k: u64,
    timestamp: String,
    node: &'a str,
    token: &'a str,
    field: &'a str,
    engine: &'static str,
    /// If the request asked for a level.
    replicated: Option<ReachAnswer>,
    novelty: f64,
    att_gain: f64,
    /// Where the engine keeps it.
    t: Option<f64>,
    /// If the guardian intervened after the step.
    guardian: Option<Reaction>,
}

impl Serialize for StepAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { metrics, k, timestamp, node, token, field, engine, replicated, novelty, att_gain, t, guardian } =
            self;
        let mut answer = serializer.serialize_struct("StepAnswer", Scores::COUNT + 11)?;
        Scores(*metrics).write(&mut answer)?;
        answer.serialize_field("k", k)?;
        answer.serialize_field("timestamp", timestamp)?;
        answer.serialize_field("node", node)?;
        answer.serialize_field("token", token)?;
        answer.serialize_field("field", field)?;
        answer.serialize_field("engine", engine)?;
        if let Some(replicated) = replicated {
            answer.serialize_field("replicated", replicated)?;
        }
        answer.serialize_field("novelty", novelty)?;
        answer.serialize_field("att_gain", att_gain)?;
        if let Some(t) = t {
            answer.serialize_field("t", t)?;
        }
        if let Some(guardian) = guardian {
            answer.serialize_field("guardian", guardian)?;
        }
        answer.end()
    }
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

impl<'a> From<&'a StepReceipt> for StepAnswer<'a> {
    fn from(receipt: &'a StepReceipt) -> Self {
        let StepReceipt { step, field, token, replicated } = receipt;
        let Step { epoch: _, engine, metrics, k, clock, origin, version: _, novelty, attention_gain, time, intervened } =
            step;
        Self {
            metrics: *metrics,
            k: *k,
            timestamp: utc(clock.wall_ms),
            node: origin.node.as_str(),
            token,
            field: field.as_str(),
            engine: engine.as_str(),
            replicated: (*replicated).map(Into::into),
            novelty: *novelty,
            att_gain: *attention_gain,
            t: *time,
            guardian: intervened.map(Into::into),
        }
    }
}

/// How far a write got.
#[derive(Debug, Serialize)]
pub(super) struct ReachAnswer {
    level: &'static str,
    nodes: usize,
    of: usize,
}

impl From<ReplicationReach> for ReachAnswer {
    fn from(replicated: ReplicationReach) -> Self {
        let ReplicationReach { level, nodes, of } = replicated;
        Self { level: level.as_str(), nodes, of }
    }
}
