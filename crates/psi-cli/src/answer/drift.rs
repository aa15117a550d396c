//! Whether a field's inputs still come from where they came from.

use std::fmt;

use psi_api::v1;
use serde::Serialize;

use crate::output::{
    Cell, Tone,
    numbers::{self, short},
};

/// The verdict in short.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Drift {
    /// Null for one of a later version.
    pub(crate) status: Option<&'static str>,
    pub(crate) severity: f64,
    /// Columns that have changed, from 0, the most severe first.
    pub(crate) columns: Vec<u32>,
    /// Names of these; null where the field's columns have none.
    pub(crate) column_names: Option<Vec<String>>,
}

/// What people call a column: its name or, without one, its number. They count from 1, as the other tables do.
pub(crate) fn title(column: u32, name: Option<&str>) -> String {
    name.map_or_else(|| (column + 1).to_string(), str::to_owned)
}

/// That of each.
pub(crate) fn titles(columns: &[u32], names: Option<&[String]>) -> Vec<String> {
    let name = |place: usize| names?.get(place).map(String::as_str);
    columns.iter().enumerate().map(|(place, column)| title(*column, name(place))).collect()
}

/// The name of a status.
fn status(status: v1::DriftStatus) -> Option<&'static str> {
    match status {
        v1::DriftStatus::Unspecified => None,
        v1::DriftStatus::Off => Some("off"),
        v1::DriftStatus::NoBaseline => Some("no_baseline"),
        v1::DriftStatus::Learning => Some("learning"),
        v1::DriftStatus::InsufficientData => Some("insufficient_data"),
        v1::DriftStatus::Stable => Some("stable"),
        v1::DriftStatus::Warning => Some("warning"),
        v1::DriftStatus::Drift => Some("drift"),
    }
}

impl From<v1::Drift> for Drift {
    fn from(from: v1::Drift) -> Self {
        let status = status(from.status());
        let v1::Drift { status: _, severity, columns, column_names } = from;
        Self { status, severity, columns, column_names: all_named(column_names) }
    }
}

impl Drift {
    fn tone(&self) -> Option<Tone> {
        match self.status? {
            "stable" => Some(Tone::Good),
            "warning" => Some(Tone::Doubtful),
            "drift" => Some(Tone::Bad),
            _ => None,
        }
    }

    /// As text, in its colour.
    pub(crate) fn painted(&self) -> String {
        let text = self.to_string();
        self.tone().map_or_else(|| text.clone(), |tone| tone.paint(&text).to_string())
    }

    pub(crate) fn cell(&self) -> Cell {
        self.tone().map_or_else(|| self.to_string().into(), |tone| Cell::toned(self.to_string(), tone))
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.unwrap_or("unknown").replace('_', " ");
        match self.status {
            Some("stable" | "warning" | "drift") => write!(f, "{status}, severity {}", short(self.severity))?,
            _ => write!(f, "{status}")?,
        }
        let inputs = titles(&self.columns, self.column_names.as_deref());
        match inputs.as_slice() {
            [] => Ok(()),
            [one] => write!(f, ": input {one}"),
            _ => write!(f, ": inputs {}", inputs.join(", ")),
        }
    }
}

/// How far a column of an input lies off the earlier inputs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ColumnNovelty {
    pub(crate) column: u32,
    /// Null where it has none.
    pub(crate) name: Option<String>,
    pub(crate) z: f64,
}

impl From<v1::ColumnNovelty> for ColumnNovelty {
    fn from(v1::ColumnNovelty { column, z, name }: v1::ColumnNovelty) -> Self {
        Self { column, name: named(name), z }
    }
}

/// The verdict on a field, column by column, and what it is of.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) field: String,
    #[serde(flatten)]
    pub(crate) drift: Option<Drift>,
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
    pub(crate) inputs: u64,
    pub(crate) frozen: Vec<u32>,
    /// Names of these; null where the field's columns have none.
    pub(crate) frozen_names: Option<Vec<String>>,
    pub(crate) kept: Vec<u64>,
    pub(crate) analysis: Vec<ColumnDrift>,
    pub(crate) baseline: Option<Baseline>,
    /// Somebody took the baseline away.
    pub(crate) cleared: bool,
    pub(crate) node: String,
    pub(crate) token: String,
}

/// One column, or a pair of columns that go together.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ColumnDrift {
    pub(crate) column: u32,
    /// Null where it has none.
    pub(crate) name: Option<String>,
    pub(crate) paired_with: Option<u32>,
    pub(crate) paired_with_name: Option<String>,
    pub(crate) severity: f64,
    pub(crate) psi: f64,
    pub(crate) excess: f64,
    pub(crate) probability: f64,
    pub(crate) inputs: u64,
}

/// What inputs are compared with.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Baseline {
    pub(crate) version: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) set_by: Option<String>,
    pub(crate) set_at: Option<String>,
    pub(crate) node: String,
    pub(crate) first: Option<String>,
    pub(crate) last: Option<String>,
    pub(crate) inputs: u64,
    pub(crate) span_seconds: u64,
    pub(crate) windows: Vec<u64>,
    pub(crate) replaced_severity: f64,
}

fn time(time: Option<prost_types::Timestamp>) -> Option<String> {
    time.map(|time| numbers::time(time.seconds, time.nanos))
}

fn named(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn all_named(names: Vec<String>) -> Option<Vec<String>> {
    Some(names).filter(|names| !names.is_empty())
}

impl From<v1::DriftReport> for Report {
    fn from(from: v1::DriftReport) -> Self {
        let v1::DriftReport {
            field,
            drift,
            columns,
            baseline,
            cleared,
            since,
            until,
            inputs,
            frozen,
            kept,
            node,
            token,
            frozen_names,
        } = from;
        Self {
            frozen_names: all_named(frozen_names),
            drift: drift.map(Into::into),
            since: time(since),
            until: time(until),
            analysis: columns.into_iter().map(Into::into).collect(),
            baseline: baseline.map(Into::into),
            field,
            inputs,
            frozen,
            kept,
            cleared,
            node,
            token,
        }
    }
}

impl From<v1::ColumnDrift> for ColumnDrift {
    fn from(from: v1::ColumnDrift) -> Self {
        let v1::ColumnDrift { column, paired_with, severity, psi, excess, probability, inputs, name, paired_with_name } =
            from;
        let (name, paired_with_name) = (named(name), named(paired_with_name));
        Self { column, name, paired_with, paired_with_name, severity, psi, excess, probability, inputs }
    }
}

impl From<v1::Baseline> for Baseline {
    fn from(from: v1::Baseline) -> Self {
        let v1::Baseline {
            version,
            source,
            set_by,
            set_at,
            node,
            first,
            last,
            inputs,
            span_seconds,
            windows,
            replaced_severity,
        } = from;
        Self {
            version: named(version),
            source: named(source),
            set_by: named(set_by),
            set_at: time(set_at),
            first: time(first),
            last: time(last),
            node,
            inputs,
            span_seconds,
            windows,
            replaced_severity,
        }
    }
}
