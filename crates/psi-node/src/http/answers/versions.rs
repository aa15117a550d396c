//! The versions of a model.

use psi_rollout::{Stage, VersionName};
use psi_state::FieldView;
use serde::Serialize;

use crate::calls::reads::versions::VersionList;

/// To `GET /api/v1/models/{name}/versions`.
#[derive(Debug, Serialize)]
pub(in crate::http) struct VersionsAnswer {
    /// In the order of their names.
    content: Vec<VersionAnswer>,
    model: String,
    node: String,
    token: String,
}

#[derive(Debug, Serialize)]
struct VersionAnswer {
    version: String,
    /// Null where nobody gave it one.
    stage: Option<&'static str>,
    field: String,
    steps: u64,
    outcomes: u64,
    errors: u64,
    /// Null without outcomes.
    error_rate: Option<f64>,
    /// Null where no outcome had a latency.
    latency_ms: Option<LatencyAnswer>,
}

#[derive(Debug, Serialize)]
struct LatencyAnswer {
    steps: u64,
    mean: f64,
}

impl VersionsAnswer {
    /// Of the versions of a stage, or of all.
    pub(in crate::http) fn new((model, stage): (String, Option<Stage>), list: &VersionList, node: &str) -> Self {
        let VersionList { model: _, versions, stages, token } = list;
        let asked = versions.iter().filter(|(version, _)| stage.is_none() || stages.get(version) == stage.as_ref());
        let content = asked.map(|(version, view)| VersionAnswer::new(version, view, stages.get(version))).collect();
        Self { content, model, node: node.to_owned(), token: token.clone() }
    }
}

impl VersionAnswer {
    fn new(version: &VersionName, view: &FieldView, stage: Option<&Stage>) -> Self {
        let total = &view.outcomes.total;
        Self {
            version: version.to_string(),
            stage: stage.map(|stage| stage.name()),
            field: view.spec.field.to_string(),
            steps: view.moments.count,
            outcomes: total.steps,
            errors: total.errors,
            error_rate: total.error_rate(),
            latency_ms: total.mean_latency_ms().map(|mean| LatencyAnswer { steps: total.timed_steps, mean }),
        }
    }
}
