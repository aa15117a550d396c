//! Answers about fields themselves.

use psi_state::{CurrentSpec, Setup, Shape, Spec};
use serde::Serialize;

use super::{names, parameters::ParametersByName, times::utc};
use crate::calls::{answer::FieldSummary, reads::page::FieldPage};

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
    next_page_token: Option<String>,
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
    /// Of its columns.
    names: Option<Vec<String>>,
    engine: String,
    guardian: &'static str,
    width: usize,
    scale_exponent: i32,
    /// Text, as `epoch`: most JSON readers round integers of this size.
    seed: String,
    epoch: String,
    parameters: ParametersByName,
    steps: u64,
    /// Null before the first.
    last_step: Option<String>,
}

impl From<FieldSummary> for FieldDescription {
    fn from(summary: FieldSummary) -> Self {
        let FieldSummary { spec: current, label, names, steps, last_step } = summary;
        let CurrentSpec { field, epoch, spec: Spec { setup, dropped: _, clock: _ } } = current;
        let Setup { shape: Shape { engine, width, scale, seed }, parameters, guardian } = setup;
        Self {
            name: field.to_string(),
            label: label.map(|label| label.as_str().to_owned()),
            names: names::all(names.as_ref()),
            engine,
            guardian: guardian.as_str(),
            width,
            scale_exponent: scale.exponent(),
            seed: seed.to_string(),
            epoch: epoch.to_string(),
            parameters: ParametersByName(parameters),
            steps,
            last_step: last_step.map(|clock| utc(clock.wall_ms)),
        }
    }
}

impl FieldAnswer {
    pub(in super::super) fn new(field: FieldSummary, node: &str, token: String) -> Self {
        Self { field: field.into(), node: node.to_owned(), token }
    }
}

impl FieldsAnswer {
    pub(in super::super) fn new(FieldPage { fields, next }: FieldPage, node: &str) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        Self { fields, next_page_token: next, node: node.to_owned() }
    }
}

impl DroppedAnswer {
    pub(in super::super) fn new(current: &CurrentSpec, node: &str, token: String) -> Self {
        Self { dropped: current.field.to_string(), node: node.to_owned(), token }
    }
}
