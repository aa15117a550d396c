//! What the guardian of a field has seen and done.

use std::fmt;

use psi_api::v1;
use psi_engine::{Action, guardian::Mode};
use serde::Serialize;

/// The name of a mode; `None` for one of a later version.
pub(crate) fn mode(mode: v1::GuardianMode) -> Option<&'static str> {
    match mode {
        v1::GuardianMode::Unspecified => None,
        v1::GuardianMode::Watch => Some(Mode::Watch.as_str()),
        v1::GuardianMode::Intervene => Some(Mode::Intervene.as_str()),
    }
}

/// The name of a threat; `None` for none.
pub(super) fn threat(threat: v1::Threat) -> Option<&'static str> {
    threat.known().map(psi_engine::guardian::Threat::as_str)
}

/// What the guardian did after a step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Reaction {
    action: Option<&'static str>,
    threat: Option<&'static str>,
}

impl From<v1::GuardianReaction> for Reaction {
    fn from(from: v1::GuardianReaction) -> Self {
        let action = match from.action() {
            v1::Intervention::Unspecified => None,
            v1::Intervention::Nigredo => Some(Action::Nigredo.as_str()),
            v1::Intervention::Albedo => Some(Action::Albedo.as_str()),
        };
        Self { action, threat: threat(from.threat()) }
    }
}

impl fmt::Display for Reaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, threat) = (self.action.unwrap_or("unknown"), self.threat.unwrap_or("unknown"));
        write!(f, "the guardian intervened: {action}, for {threat}")
    }
}

/// The guardian of a field as all nodes' entries make it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Guardian {
    pub(crate) field: String,
    pub(crate) mode: Option<&'static str>,
    /// Why the red flag is up; null if it is down.
    pub(crate) red_flag: Option<&'static str>,
    /// The step that raised it.
    pub(crate) red_flag_step: Option<u64>,
    /// The threat that the latest step is; null if it is none.
    pub(crate) current_threat: Option<&'static str>,
    pub(crate) history_size: u32,
    pub(crate) thresholds: Option<Thresholds>,
    pub(crate) density: Option<Summary>,
    pub(crate) prediction_error: Option<Summary>,
    pub(crate) temporal_entropy: Option<Summary>,
    pub(crate) interventions: u64,
    pub(crate) automatic: u64,
    pub(crate) superseded: u64,
    pub(crate) last_step: Option<u64>,
    /// The share of steps that are a threat, and what it is by chance where thresholds are adaptive.
    pub(crate) threat_share: Option<f64>,
    pub(crate) chance_share: Option<f64>,
    pub(crate) node: String,
    pub(crate) token: String,
}

/// Beyond which values a step is a threat.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Thresholds {
    pub(crate) density_low: f64,
    pub(crate) prediction_error_high: f64,
    pub(crate) temporal_entropy_high: f64,
    pub(crate) adaptive: bool,
}

/// One metric over the history.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) mean: f64,
    pub(crate) std: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) p95: f64,
}

impl From<v1::GuardianThresholds> for Thresholds {
    fn from(from: v1::GuardianThresholds) -> Self {
        let v1::GuardianThresholds { density_low, prediction_error_high, temporal_entropy_high, adaptive } = from;
        Self { density_low, prediction_error_high, temporal_entropy_high, adaptive }
    }
}

impl From<v1::MetricSummary> for Summary {
    fn from(from: v1::MetricSummary) -> Self {
        let v1::MetricSummary { mean, std, min, max, p95 } = from;
        Self { mean, std, min, max, p95 }
    }
}

impl From<v1::GuardianState> for Guardian {
    fn from(from: v1::GuardianState) -> Self {
        let mode = mode(from.mode());
        let (red_flag, current_threat) = (threat(from.red_flag()), threat(from.current_threat()));
        let v1::GuardianState {
            field,
            mode: _,
            history_size,
            thresholds,
            density,
            prediction_error,
            temporal_entropy,
            interventions,
            automatic,
            superseded,
            last_step,
            red_flag: _,
            current_threat: _,
            node,
            token,
            red_flag_step,
            threat_share,
            chance_share,
        } = from;
        Self {
            field,
            mode,
            red_flag,
            red_flag_step,
            current_threat,
            history_size,
            thresholds: thresholds.map(Into::into),
            density: density.map(Into::into),
            prediction_error: prediction_error.map(Into::into),
            temporal_entropy: temporal_entropy.map(Into::into),
            interventions,
            automatic,
            superseded,
            last_step,
            threat_share,
            chance_share,
            node,
            token,
        }
    }
}
