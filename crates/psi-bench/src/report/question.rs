//! What a row is asked beside its figure, and what the answer should be.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::rounds::{Label, Sample};

/// What of a sample is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Figure,
    P99,
    P99Ms,
    Rate,
    Cpu,
}

impl Part {
    pub(crate) fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Figure => Some(sample.figure),
            Self::P99 => sample.p99_us,
            Self::P99Ms => sample.p99_us.map(|us| us / 1e3),
            Self::Rate => sample.rate,
            Self::Cpu => sample.cpu_us,
        }
    }
}

/// What a figure or a ratio is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
}

impl Target {
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, ">= {least}"),
            Self::AtMost(most) => write!(f, "<= {most}"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A question that a row answers beside its figure.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// What the answer is called, such as `throughput over ping`.
    pub(crate) what: String,
    pub(crate) part: Part,
    /// The row below the line; without one the answer is the part itself, not a ratio.
    pub(crate) over: Option<Label>,
    pub(crate) target: Option<Target>,
}

impl Question {
    /// The part over the same of another row, in each round.
    pub(crate) fn ratio(what: impl Into<String>, part: Part, over: Label) -> Self {
        Self { what: what.into(), part, over: Some(over), target: None }
    }

    /// The part itself.
    pub(crate) fn itself(what: impl Into<String>, part: Part) -> Self {
        Self { what: what.into(), part, over: None, target: None }
    }

    pub(crate) fn target(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }
}

/// A row that is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct RowHeader {
    pub(crate) label: Label,
    /// Of its figure.
    pub(crate) unit: &'static str,
    pub(crate) questions: Vec<Question>,
}
