//! Answers about the guardian: its reaction to a step, its red flag, its statistics.

use psi_engine::{
    Action,
    guardian::{Statistics, Summary, Threat, Thresholds},
};
use psi_state::{FieldView, GuardianView};
use serde::Serialize;

/// `interventions.last_step` before the first, as in the original service.
const NEVER: i64 = -100;

/// What the guardian did after a step.
#[derive(Debug, Serialize)]
pub(super) struct Reaction {
    action: &'static str,
    threat: &'static str,
}

impl From<(Action, Threat)> for Reaction {
    fn from((action, threat): (Action, Threat)) -> Self {
        Self { action: action.as_str(), threat: threat.as_str() }
    }
}

/// To `GET /guardian/status`.
#[derive(Debug, Serialize)]
pub(in super::super) struct StatusAnswer {
    red_flag: bool,
    /// Why it is up.
    reason: Option<&'static str>,
    /// The step that raised it.
    step: Option<u64>,
    /// Whether the latest step is a threat.
    current_threat: bool,
    current_threat_reason: Option<&'static str>,
    field: String,
    mode: &'static str,
    node: String,
    token: String,
}

impl StatusAnswer {
    pub(in super::super) fn new(view: &FieldView, node: &str, token: String) -> Self {
        let (flag, current) = (view.guardian.flag, view.guardian.current_threat());
        Self {
            red_flag: flag.is_some(),
            reason: flag.map(Threat::as_str),
            step: view.guardian.flag_step,
            current_threat: current.is_some(),
            current_threat_reason: current.map(Threat::as_str),
            field: view.spec.field.to_string(),
            mode: view.spec.spec.setup.guardian.as_str(),
            node: node.to_owned(),
            token,
        }
    }
}

/// To `GET /guardian/statistics`.
#[derive(Debug, Serialize)]
pub(in super::super) struct StatisticsAnswer {
    /// What the original service called a guardian with a history.
    kind: &'static str,
    history_size: usize,
    thresholds: Limits,
    statistics: MetricStatistics,
    interventions: InterventionCounts,
    field: String,
    mode: &'static str,
    node: String,
    token: String,
}

#[derive(Debug, Serialize)]
struct Limits {
    psi_low: f64,
    pe_high: f64,
    h_high: f64,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// All zeros of no history.
#[derive(Debug, Serialize)]
struct MetricStatistics {
    psi: Numbers,
    pe: Numbers,
    h: Numbers,
}

#[derive(Debug, Serialize)]
struct Numbers {
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
    p95: f64,
}

#[derive(Debug, Serialize)]
struct InterventionCounts {
    /// By hand and by the guardian; the original service counted only its guardian's.
    total: u64,
    last_step: i64,
    current_red_flag: bool,
    current_reason: Option<&'static str>,
    automatic: u64,
    superseded: u64,
    /// The share of steps that are a threat, and what it is by chance where thresholds are adaptive.
    threat_share: Option<f64>,
    chance_share: Option<f64>,
}

impl From<Summary> for Numbers {
    fn from(summary: Summary) -> Self {
        let Summary { mean, std, min, max, p95 } = summary;
        Self { mean, std, min, max, p95 }
    }
}

impl StatisticsAnswer {
    pub(in super::super) fn new(view: &FieldView, node: &str, token: String) -> Self {
        let guardian = &view.guardian;
        // Summed up in statistics and thresholds.
        let GuardianView { history: _, flag, flag_step: _, automatic, superseded, last_step } = guardian;
        let Thresholds { density_low, error_high, entropy_high, adaptive } = guardian.thresholds();
        let Statistics { samples, density, prediction_error, temporal_entropy } = guardian.statistics();
        Self {
            kind: "advanced",
            history_size: samples,
            thresholds: Limits {
                psi_low: density_low,
                pe_high: error_high,
                h_high: entropy_high,
                kind: if adaptive { "adaptive" } else { "static" },
            },
            statistics: MetricStatistics {
                psi: density.into(),
                pe: prediction_error.into(),
                h: temporal_entropy.into(),
            },
            interventions: InterventionCounts {
                total: view.interventions.counted,
                last_step: last_step.map_or(NEVER, |step| i64::try_from(step).unwrap_or(i64::MAX)),
                current_red_flag: flag.is_some(),
                current_reason: flag.map(Threat::as_str),
                automatic: *automatic,
                superseded: *superseded,
                threat_share: guardian.threat_share(),
                chance_share: adaptive.then_some(GuardianView::CHANCE_SHARE),
            },
            field: view.spec.field.to_string(),
            mode: view.spec.spec.setup.guardian.as_str(),
            node: node.to_owned(),
            token,
        }
    }
}
