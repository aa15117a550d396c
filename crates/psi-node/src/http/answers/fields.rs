//! Answers about fields themselves.

use psi_state::{CurrentSpec, Setup, Shape, Spec};
use serde::Serialize;

use super::parameters::ParametersByName;
use crate::calls::answer::FieldSummary;

/// To all calls about one field.
#[derive(Debug, Serialize)]
pub(in super::super) struct FieldAnswer {
    #[serde(flatten)]
    field: FieldDescription,
    node: String,
    token: String,
}

/// To `GET /fields`.
#[derive(Debug, Serialize)]
pub(in super::super) struct FieldsAnswer {
    fields: Vec<FieldDescription>,
    node: String,
}

/// To `DELETE /fields/{name}`.
#[derive(Debug, Serialize)]
pub(in super::super) struct DroppedAnswer {
    dropped: String,
    node: String,
    token: String,
}

#[derive(Debug, Serialize)]
struct FieldDescription {
    name: String,
    label: Option<String>,
    engine: String,
    guardian: &'static str,
    width: usize,
    scale_exponent: i32,
    /// Text, as `epoch`: most JSON readers round integers of this size.
    seed: String,
    epoch: String,
    parameters: ParametersByName,
}

impl From<FieldSummary> for FieldDescription {
    fn from(summary: FieldSummary) -> Self {
        let FieldSummary { spec: current, label } = summary;
        let CurrentSpec { field, epoch, spec: Spec { setup, dropped: _, clock: _ } } = current;
        let Setup { shape: Shape { engine, width, scale, seed }, parameters, guardian } = setup;
        Self {
            name: field.to_string(),
            label: label.map(|label| label.as_str().to_owned()),
            engine,
            guardian: guardian.as_str(),
            width,
            scale_exponent: scale.exponent(),
            seed: seed.to_string(),
            epoch: epoch.to_string(),
            parameters: ParametersByName(parameters),
        }
    }
}

impl FieldAnswer {
    pub(in super::super) fn new(field: FieldSummary, node: &str, token: String) -> Self {
        Self { field: field.into(), node: node.to_owned(), token }
    }
}

impl FieldsAnswer {
    pub(in super::super) fn new(all: Vec<FieldSummary>, node: &str) -> Self {
        Self { fields: all.into_iter().map(Into::into).collect(), node: node.to_owned() }
    }
}

impl DroppedAnswer {
    pub(in super::super) fn new(current: &CurrentSpec, node: &str, token: String) -> Self {
        Self { dropped: current.field.to_string(), node: node.to_owned(), token }
    }
}
