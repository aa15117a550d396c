//! What follows where the inputs of the champion drift: a remediation, and a rollout of the version that waits.

use std::{fmt, str::FromStr};

use super::error::ChangeError;
use crate::{
    name::{RolloutId, VersionName},
    plan::Plan,
    rollout::Status,
    text::{list, shown},
};

/// The least severity that a remediation begins at, in thousandths.
pub const SEVERITY_MIN: u16 = 750;
/// What begins to drift so soon after other drift of the version was found is the same.
const SAME_DRIFT_MS: u64 = 3_600_000;
/// So many remediations are remembered.
pub(super) const REMEDIATIONS_MAX: usize = 4;

/// What follows by itself where inputs drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemediationMode {
    /// Nothing.
    #[default]
    Off,
    /// It is written down what would follow.
    Watch,
    /// A rollout of the version in STAGING begins.
    On,
}

/// How a model is remedied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemediationPolicy {
    /// What follows by itself.
    pub mode: RemediationMode,
    /// How a rollout goes that begins by itself; the default plan if there is none.
    pub plan: Option<Plan>,
}

/// Drift of a version's inputs, as a verdict on its field shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftEpisode {
    /// The version.
    pub version: VersionName,
    /// The second since which it is shown.
    pub since_second: u64,
    /// From 0 to 1,000.
    pub severity: u16,
}

/// What was found, and what was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Remediation {
    /// Which one of the model's, from 1.
    pub number: u64,
    /// Why.
    pub episode: DriftEpisode,
    /// When it was found.
    pub found_ms: u64,
    /// What was done.
    pub trial: Option<RemediationTrial>,
}

/// A rollout that was to remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemediationTrial {
    /// The rollout.
    pub rollout: RolloutId,
    /// The version that was tried.
    pub canary: VersionName,
    /// When it began.
    pub began_ms: u64,
    /// How it ended, and when.
    pub end: Option<(Status, u64)>,
}

/// Where a remediation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemediationStatus {
    /// Nothing was tried yet.
    Pending,
    /// A rollout is under way.
    Executing,
    /// The version was promoted.
    Completed,
    /// It was not, or nothing was tried before other drift was found, or another version answered.
    Partial,
}

impl RemediationMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Watch, Self::On];

    /// Its name, for people and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Watch => "watch",
            Self::On => "on",
        }
    }
}

impl fmt::Display for RemediationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RemediationMode {
    type Err = ChangeError;

    fn from_str(name: &str) -> Result<Self, ChangeError> {
        let found = Self::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| ChangeError::NoMode { got: name.chars().take(80).collect(), modes: list(Self::ALL) })
    }
}

impl RemediationStatus {
    /// Its name, as other programs know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Executing => "EXECUTING",
            Self::Completed => "COMPLETED",
            Self::Partial => "PARTIAL",
        }
    }
}

impl Remediation {
    /// Whether drift is the one that was found: it began before that, or soon after. Verdicts flap, clocks differ, and a
    /// beginning that lies far back moves with what is kept.
    pub(super) fn covers(&self, episode: &DriftEpisode) -> bool {
        let ms = |second: u64| second.saturating_mul(1_000);
        let found_ms = self.found_ms.max(ms(self.episode.since_second));
        self.episode.version == episode.version && ms(episode.since_second) <= found_ms.saturating_add(SAME_DRIFT_MS)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.end.is_some())
    }
}

impl fmt::Display for DriftEpisode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, severity, .. } = self;
        write!(f, "the inputs of {} drift, severity {}", shown(version.as_str(), 80), thousandths(*severity))
    }
}

pub(super) fn thousandths(number: u16) -> String {
    format!("{}.{:03}", number / 1_000, number % 1_000)
}
