//! The verdict on drift as messages.

use psi_state::{BaselineTitle, BaselineView, ColumnNames, CurrentBaselineView, DriftStatus, DriftView, FieldView};
use psi_stats::drift::{Column, ColumnVerdict, Comparison};

use super::numbers::{small, timestamp};
use crate::v1;

/// The name of a column; empty where it has none.
pub(super) fn name(names: Option<&ColumnNames>, column: usize) -> String {
    names.and_then(|names| names.get(column)).unwrap_or_default().to_owned()
}

/// Those of several; empty where the field's columns have none.
fn names_of(names: Option<&ColumnNames>, columns: &[usize]) -> Vec<String> {
    if names.is_none() { Vec::new() } else { columns.iter().map(|column| name(names, *column)).collect() }
}

/// The verdict in short.
pub(super) fn summary(view: &DriftView, names: Option<&ColumnNames>) -> v1::Drift {
    let columns = view.changed_columns();
    v1::Drift {
        status: v1::DriftStatus::from(view.status).into(),
        severity: view.severity(),
        column_names: names_of(names, &columns),
        columns: columns.into_iter().map(small).collect(),
    }
}

/// The verdict on a field, and what it is of.
#[must_use]
pub fn report(view: &FieldView, node: &str, token: String) -> v1::DriftReport {
    let DriftView { status: _, verdict, until_second, since_second, inputs, frozen, kept } = &*view.drift;
    let baseline = match &view.baseline {
        CurrentBaselineView::Set(baseline) => Some(baseline_message(baseline)),
        CurrentBaselineView::None | CurrentBaselineView::Cleared => None,
    };
    let names = view.names.as_ref();
    v1::DriftReport {
        field: view.spec.field.to_string(),
        drift: Some(summary(&view.drift, names)),
        columns: verdict.columns().iter().map(|verdict| column(verdict, names)).collect(),
        baseline,
        cleared: view.baseline == CurrentBaselineView::Cleared,
        since: since_second.map(second),
        until: until_second.map(second),
        inputs: *inputs,
        frozen: frozen.iter().copied().map(small).collect(),
        frozen_names: names_of(names, frozen),
        kept: kept.to_vec(),
        node: node.to_owned(),
        token,
    }
}

fn column(verdict: &ColumnVerdict, names: Option<&ColumnNames>) -> v1::ColumnDrift {
    let ColumnVerdict { column, rows, comparison: Comparison { psi, excess, probability }, severity } = *verdict;
    let (column, paired_with) = match column {
        Column::Single(column) => (column, None),
        Column::Pair(column, other) => (column, Some(other)),
    };
    v1::ColumnDrift {
        column: small(column),
        paired_with: paired_with.map(small),
        severity,
        psi,
        excess,
        probability,
        inputs: rows,
        name: name(names, column),
        paired_with_name: paired_with.map(|other| name(names, other)).unwrap_or_default(),
    }
}

fn baseline_message(view: &BaselineView) -> v1::Baseline {
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
    v1::Baseline {
        version: version.as_str().to_owned(),
        source: source.as_str().to_owned(),
        set_by: set_by.as_str().to_owned(),
        set_at: Some(timestamp(*clock)),
        node: origin.node.to_string(),
        first: Some(second(*first_second)),
        last: Some(second(*last_second)),
        inputs: *inputs,
        span_seconds: *span_seconds,
        windows: windows.clone(),
        replaced_severity: *replaced_severity,
    }
}

fn second(second: u64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: i64::try_from(second).unwrap_or(i64::MAX), nanos: 0 }
}

impl From<DriftStatus> for v1::DriftStatus {
    fn from(status: DriftStatus) -> Self {
        match status {
            DriftStatus::Off => Self::Off,
            DriftStatus::NoBaseline => Self::NoBaseline,
            DriftStatus::Learning => Self::Learning,
            DriftStatus::InsufficientData => Self::InsufficientData,
            DriftStatus::Stable => Self::Stable,
            DriftStatus::Warning => Self::Warning,
            DriftStatus::Drift => Self::Drift,
        }
    }
}
