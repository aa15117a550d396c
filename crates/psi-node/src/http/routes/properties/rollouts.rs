//! What the bodies of calls that change models and rollouts may name.

use super::super::property::{Kind, Property};

const REASON: Property = Property::text("reason", "why, in words: up to 512 bytes").optional();
const FORCE: Property = Property::boolean("force", "whatever gates, window and members say; needs a reason").optional();
const DEADLINE_MS: Property =
    Property::integer("deadline_ms", "most milliseconds to an answer; 5,000 if left out, at most 600,000").optional();

pub(in crate::http) const CANARY: &[Property] = &[
    Property::text("version", "the version that is to take over"),
    Property::object(
        "config",
        "rolloutSchedule, evaluationWindow, minimumPredictions, errorRateThreshold, latencyDegradationThreshold, \
         metricThresholds, driftSeverityThreshold, initiatedBy",
    )
    .optional(),
    FORCE,
    REASON,
    DEADLINE_MS,
];
/// What `config` may have.
pub(in crate::http) const CANARY_CONFIG: &[Property] = &[
    Property::new("rolloutSchedule", Kind::Numbers, "").optional(),
    Property::text("evaluationWindow", "").optional(),
    Property::integer("minimumPredictions", "").optional(),
    Property::number("errorRateThreshold", "").optional(),
    Property::number("latencyDegradationThreshold", "").optional(),
    Property::object("metricThresholds", "").optional(),
    Property::number("driftSeverityThreshold", "").optional(),
    Property::text("initiatedBy", "").optional(),
];
pub(in crate::http) const ROLLOUT_CHANGE: &[Property] = &[FORCE, REASON, DEADLINE_MS];
pub(in crate::http) const STAGE: &[Property] =
    &[Property::text("stage", "STAGING, PRODUCTION, ARCHIVED or REJECTED"), FORCE, REASON, DEADLINE_MS];
pub(in crate::http) const REMEDIATION: &[Property] = &[
    Property::text("mode", "off, watch or on"),
    Property::object("config", "how a rollout goes that begins by itself, as for one that is asked for").optional(),
    REASON,
    DEADLINE_MS,
];
pub(in crate::http) const DRIFT_CONFIG: &[Property] = &[Property::boolean(
    "autoRemediationEnabled",
    "true: a rollout of the version in STAGING begins where inputs drift",
)];
