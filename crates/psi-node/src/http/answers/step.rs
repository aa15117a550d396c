//! The answer to a step, which most answers are.

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use psi_engine::{Metrics, guardian::Threat};
use psi_state::Step;
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};

use super::{
    drift::{ColumnNovelty, DriftAnswer},
    guardian::Reaction,
    scores::Scores,
    times::utc,
};
use crate::{
    calls::answer::StepReceipt, http::requests::step::members::IgnoredMember, sessions::level::ReplicationReach,
};

/// To `POST /step`.
#[derive(Debug)]
pub(in crate::http) struct StepAnswer<'a> {
    metrics: Metrics,
    k: u64,
    timestamp: String,
    node: &'a str,
    /// Empty for all steps of a batch but the last.
    token: &'a str,
    field: &'a str,
    /// Of a field that is a version of a model.
    version: Option<&'a str>,
    engine: &'static str,
    /// If the request asked for a level.
    replicated: Option<ReachAnswer>,
    novelty: f64,
    att_gain: f64,
    /// Where the engine keeps it.
    t: Option<f64>,
    /// If the guardian intervened after the step.
    guardian: Option<Reaction>,
    drift: DriftAnswer,
    novel_columns: Vec<ColumnNovelty>,
    unusual: bool,
    threat: Option<&'static str>,
    ignored: &'a [IgnoredMember],
}

impl Serialize for StepAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            metrics,
            k,
            timestamp,
            node,
            token,
            field,
            version,
            engine,
            replicated,
            novelty,
            att_gain,
            t,
            guardian,
            drift,
            novel_columns,
            unusual,
            threat,
            ignored,
        } = self;
        let mut answer = serializer.serialize_struct("StepAnswer", Scores::COUNT + 17)?;
        Scores(*metrics).write(&mut answer)?;
        answer.serialize_field("k", k)?;
        answer.serialize_field("timestamp", timestamp)?;
        answer.serialize_field("node", node)?;
        if !token.is_empty() {
            answer.serialize_field("token", token)?;
        }
        answer.serialize_field("field", field)?;
        if let Some(version) = version {
            answer.serialize_field("version", version)?;
        }
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
        answer.serialize_field("drift", drift)?;
        answer.serialize_field("novel_columns", novel_columns)?;
        answer.serialize_field("unusual", unusual)?;
        answer.serialize_field("threat", threat)?;
        if !ignored.is_empty() {
            answer.serialize_field("ignored", ignored)?;
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

impl<'a> StepAnswer<'a> {
    pub(in crate::http) fn new(receipt: &'a StepReceipt, ignored: &'a [IgnoredMember]) -> Self {
        let StepReceipt { step, field, token, replicated } = receipt;
        let Step {
            epoch: _,
            engine,
            metrics,
            k,
            clock,
            origin,
            version: _,
            novelty,
            attention_gain,
            time,
            names,
            farthest: _,
            unusual,
            threat,
            intervened,
            drift,
        } = step;
        Self {
            metrics: *metrics,
            k: *k,
            timestamp: utc(clock.wall_ms),
            node: origin.node.as_str(),
            token,
            field: field.as_str(),
            version: Some(psi_api::version_of(field.as_str())).filter(|version| !version.is_empty()),
            engine: engine.as_str(),
            replicated: (*replicated).map(Into::into),
            novelty: *novelty,
            att_gain: *attention_gain,
            t: *time,
            guardian: intervened.map(Into::into),
            // As over gRPC: of a batch, the last step names them.
            drift: DriftAnswer::new(drift, names.as_ref().filter(|_| !token.is_empty())),
            novel_columns: ColumnNovelty::all(step),
            unusual: *unusual,
            threat: threat.map(Threat::as_str),
            ignored,
        }
    }
}

/// To `POST /steps`.
#[derive(Debug)]
pub(in crate::http) struct BatchAnswer {
    /// At least one.
    pub(in crate::http) steps: Vec<StepReceipt>,
    pub(in crate::http) ignored: Vec<IgnoredMember>,
}

impl Serialize for BatchAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { steps, ignored } = self;
        let mut answer = serializer.serialize_map(None)?;
        let shown: Vec<StepAnswer<'_>> = steps.iter().map(|step| StepAnswer::new(step, &[])).collect();
        answer.serialize_entry("steps", &shown)?;
        if let Some(StepReceipt { step, field, token, replicated }) = steps.last() {
            answer.serialize_entry("k", &step.k)?;
            answer.serialize_entry("field", field.as_str())?;
            answer.serialize_entry("node", step.origin.node.as_str())?;
            answer.serialize_entry("token", token)?;
            if let Some(replicated) = *replicated {
                answer.serialize_entry("replicated", &ReachAnswer::from(replicated))?;
            }
        }
        if !ignored.is_empty() {
            answer.serialize_entry("ignored", ignored)?;
        }
        answer.end()
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
