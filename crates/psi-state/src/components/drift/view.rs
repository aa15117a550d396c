//! The verdict on a field's inputs, as it is shown.

use std::sync::Arc;

use psi_stats::drift::Verdict;

use super::levels::LEVELS;

/// Whether a field's inputs still come from where the baseline came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriftStatus {
    /// The field is not watched.
    Off,
    /// There is no baseline, and none will come by itself.
    NoBaseline,
    /// There will be a baseline once there are enough inputs.
    #[default]
    Learning,
    /// The latest windows hold too few inputs to tell.
    InsufficientData,
    /// Nothing has changed by more than the baseline does by itself.
    Stable,
    /// The inputs have changed.
    Warning,
    /// The inputs have changed much.
    Drift,
}

impl DriftStatus {
    /// Every status, the least first.
    pub const ALL: [Self; 7] =
        [Self::Off, Self::NoBaseline, Self::Learning, Self::InsufficientData, Self::Stable, Self::Warning, Self::Drift];

    /// Its name, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::NoBaseline => "no_baseline",
            Self::Learning => "learning",
            Self::InsufficientData => "insufficient_data",
            Self::Stable => "stable",
            Self::Warning => "warning",
            Self::Drift => "drift",
        }
    }
}

/// The verdict on a field's inputs, and what it is of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DriftView {
    /// What it comes to.
    pub status: DriftStatus,
    /// Column by column; empty without a verdict.
    pub verdict: Verdict,
    /// The second, since the Unix epoch, after which it does not look; `None` before a baseline.
    pub until_second: Option<u64>,
    /// The second with which the first window ended that showed it, where there is drift.
    pub since_second: Option<u64>,
    /// Inputs in the longest window.
    pub inputs: u64,
    /// Columns that have one value in the longest window, and had several in the baseline.
    pub frozen: Vec<usize>,
    /// Inputs that are kept by seconds, minutes, hours and days.
    pub kept: [u64; LEVELS.len()],
}

impl DriftView {
    /// From 0 to 1: a warning from 0.5 on, critical from 0.8 on.
    #[must_use]
    pub fn severity(&self) -> f64 {
        self.verdict.severity()
    }

    /// Columns that have changed, from 0, the most severe first; none without a warning.
    #[must_use]
    pub fn changed_columns(&self) -> Vec<usize> {
        if self.is_drift() { self.verdict.named() } else { Vec::new() }
    }

    /// Whether that is a warning at least.
    #[must_use]
    pub fn is_drift(&self) -> bool {
        matches!(self.status, DriftStatus::Warning | DriftStatus::Drift)
    }
}

/// A verdict, and as of which second.
#[derive(Clone, Debug)]
pub(crate) struct KnownVerdict {
    pub(crate) second: Option<u64>,
    pub(crate) view: Arc<DriftView>,
}
