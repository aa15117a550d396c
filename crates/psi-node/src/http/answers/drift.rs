//! Answers about drift: in short with a step and a state, and of models as other programs know them.

use psi_state::{
    BaselineTitle, BaselineView, ColumnNames, CurrentBaselineView, DriftStatus, DriftView, FieldView, Step,
};
use psi_stats::{
    ColumnZ,
    drift::{Column, ColumnVerdict, Comparison},
};
use serde::Serialize;

use super::{names, times::utc};

/// The verdict in short.
#[derive(Debug, Serialize)]
pub(super) struct DriftAnswer {
    status: &'static str,
    severity: f64,
    /// Columns that have changed, from 0, the most severe first.
    columns: Vec<usize>,
    /// Of these, where the field's columns have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    column_names: Option<Vec<String>>,
}

impl DriftAnswer {
    pub(super) fn new(view: &DriftView, names: Option<&ColumnNames>) -> Self {
        let columns = view.changed_columns();
        let column_names = names::of(names, &columns);
        Self { status: view.status.as_str(), severity: view.severity(), columns, column_names }
    }
}

/// How far a column lies off the earlier inputs.
#[derive(Debug, Serialize)]
pub(super) struct ColumnNovelty {
    column: u32,
    z: f64,
    /// If it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl ColumnNovelty {
    pub(super) fn all(step: &Step) -> Vec<Self> {
        let name = |column| names::one(step.names.as_ref(), usize::try_from(column).ok()?);
        let shown = |ColumnZ { column, z }: &ColumnZ| Self { column: *column, z: *z, name: name(*column) };
        step.farthest.iter().flatten().map(shown).collect()
    }
}

/// One model: a field, by the name that other programs have for it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ModelAnswer {
    model: String,
    version: Option<String>,
    status: String,
    severity: f64,
    drift_detected: bool,
    columns: Vec<usize>,
    column_names: Option<Vec<String>>,
    since: Option<String>,
    until: Option<String>,
    node: String,
    token: String,
}

/// Every model.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ModelsAnswer {
    pub(in crate::http) content: Vec<ModelAnswer>,
}

/// A model with all that the verdict is made of.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct AnalysisAnswer {
    #[serde(flatten)]
    model: ModelAnswer,
    inputs: u64,
    kept: [u64; 4],
    frozen: Vec<usize>,
    frozen_names: Option<Vec<String>>,
    analysis: Vec<ColumnAnswer>,
    baseline: Option<BaselineAnswer>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ColumnAnswer {
    column: usize,
    name: Option<String>,
    paired_with: Option<usize>,
    paired_with_name: Option<String>,
    severity: f64,
    psi: f64,
    excess: f64,
    probability: f64,
    inputs: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BaselineAnswer {
    version: String,
    source: String,
    set_by: String,
    set_at: String,
    node: String,
    first: String,
    last: String,
    inputs: u64,
    span_seconds: u64,
    windows: Vec<u64>,
    replaced_severity: f64,
}

fn at_second(second: u64) -> String {
    utc(second.saturating_mul(1000))
}

impl ModelAnswer {
    pub(in crate::http) fn new(model: String, view: &FieldView, node: &str, token: String) -> Self {
        let (drift, columns) = (&view.drift, view.drift.changed_columns());
        let version = view.baseline.set().map(|baseline| baseline.title.version.as_str().to_owned());
        Self {
            model,
            version: version.filter(|version| !version.is_empty()),
            status: drift.status.as_str().to_uppercase(),
            severity: drift.severity(),
            drift_detected: matches!(drift.status, DriftStatus::Warning | DriftStatus::Drift),
            column_names: names::of(view.names.as_ref(), &columns),
            columns,
            since: drift.since_second.map(at_second),
            until: drift.until_second.map(at_second),
            node: node.to_owned(),
            token,
        }
    }
}

impl AnalysisAnswer {
    pub(in crate::http) fn new(model: ModelAnswer, view: &FieldView) -> Self {
        let DriftView { status: _, verdict, until_second: _, since_second: _, inputs, frozen, kept } = &*view.drift;
        let baseline = match &view.baseline {
            CurrentBaselineView::Set(baseline) => Some(baseline.into()),
            CurrentBaselineView::None | CurrentBaselineView::Cleared => None,
        };
        let names = view.names.as_ref();
        let analysis = verdict.columns().iter().map(|verdict| ColumnAnswer::new(verdict, names)).collect();
        let (frozen, frozen_names) = (frozen.clone(), names::of(names, frozen));
        Self { model, inputs: *inputs, kept: *kept, frozen, frozen_names, analysis, baseline }
    }
}

impl ColumnAnswer {
    fn new(verdict: &ColumnVerdict, names: Option<&ColumnNames>) -> Self {
        let ColumnVerdict { column, rows, comparison: Comparison { psi, excess, probability }, severity } = *verdict;
        let (column, paired_with) = match column {
            Column::Single(column) => (column, None),
            Column::Pair(column, other) => (column, Some(other)),
        };
        let name = names::one(names, column);
        let paired_with_name = paired_with.and_then(|other| names::one(names, other));
        Self { column, name, paired_with, paired_with_name, severity, psi, excess, probability, inputs: rows }
    }
}

impl From<&BaselineView> for BaselineAnswer {
    fn from(view: &BaselineView) -> Self {
        let BaselineView {
            title: BaselineTitle { version, source, set_by },
            clock,
            origin,
            inputs,
            first_second,
            last_second,
            span_seconds,
            windows,
            replaced_severity,
        } = view;
        let [version, source, set_by] = [version, source, set_by].map(|label| label.as_str().to_owned());
        Self {
            version,
            source,
            set_by,
            set_at: utc(clock.wall_ms),
            node: origin.node.to_string(),
            first: at_second(*first_second),
            last: at_second(*last_second),
            inputs: *inputs,
            span_seconds: *span_seconds,
            windows: windows.clone(),
            replaced_severity: *replaced_severity,
        }
    }
}
