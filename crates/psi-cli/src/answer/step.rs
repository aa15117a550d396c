//! An accepted step.

use psi_api::v1;
use serde::Serialize;

use super::{
    drift::{ColumnNovelty, Drift},
    guardian,
    metrics::Metrics,
    replication::Replication,
};
use crate::output::numbers;

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
    pub(crate) drift: Option<Drift>,
    pub(crate) novel_columns: Vec<ColumnNovelty>,
    /// It is unlike all before it.
    pub(crate) unusual: bool,
    /// What the guardian takes it for; null if it is no threat.
    pub(crate) threat: Option<&'static str>,
    /// Which version answered; absent where the field is no version of a model.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) version: String,
}

impl From<v1::StepResponse> for Step {
    fn from(from: v1::StepResponse) -> Self {
        let threat = guardian::threat(from.threat());
        let v1::StepResponse {
            field,
            metrics,
            k,
            timestamp,
            node,
            token,
            engine,
            replicated,
            novelty,
            attention_gain,
            time,
            guardian,
            drift,
            novel_columns,
            unusual,
            threat: _,
            version,
        } = from;
        Self {
            timestamp: timestamp.map(|time| numbers::time(time.seconds, time.nanos)),
            metrics: metrics.map(Into::into),
            replicated: replicated.map(Into::into),
            guardian: guardian.map(Into::into),
            drift: drift.map(Into::into),
            novel_columns: novel_columns.into_iter().map(Into::into).collect(),
            unusual,
            threat,
            version,
            field,
            engine,
            k,
            node,
            token,
            novelty,
            attention_gain,
            time,
        }
    }
}
