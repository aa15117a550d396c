//! Models and their rollouts over HTTP.

pub(super) mod answers;

use axum::{
    Json,
    extract::{FromRequestParts, Path, Query, Request},
    http::request::Parts,
};
use psi_api::v1;
use serde::Deserialize;
use serde_json::{Value, json};

use self::answers::{model_json, rollout_json};
use crate::{
    calls::ops::Ops,
    http::{
        refusal::{Refusal, record_refusal},
        requests::{
            address::{NoParams, TenantParam},
            json::members::Members,
            params::bad_query,
            read,
        },
        routes::properties::rollouts::{CANARY, CANARY_CONFIG, ROLLOUT_CHANGE, STAGE},
    },
};

/// What an address asks for: a model, and the status of rollouts.
pub(in crate::http) struct RolloutParams {
    model: String,
    status: String,
}

impl FromRequestParts<Ops> for RolloutParams {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Choice {
            status: Option<String>,
        }
        let read = Query::<Choice>::try_from_uri(&parts.uri);
        let read = read.map_err(|error| bad_query(&error.body_text(), "there is ?status="));
        let Query(Choice { status }) = record_refusal(ops, read)?;
        let tenant = TenantParam::from_request_parts(parts, ops).await?;
        let named = Path::<String>::from_request_parts(parts, ops).await.map(|Path(name)| name).unwrap_or_default();
        Ok(Self { model: tenant.field(&named), status: status.unwrap_or_default() })
    }
}

pub(in crate::http) async fn list(ops: Ops, params: RolloutParams) -> Result<Json<Value>, Refusal> {
    let v1::ListRolloutsResponse { rollouts, node } = ops.rollouts(&params.model, &params.status)?;
    let content: Vec<Value> = rollouts.iter().map(rollout_json).collect();
    Ok(Json(json!({ "content": content, "node": node })))
}

pub(in crate::http) async fn show(
    ops: Ops,
    tenant: TenantParam,
    Path((model, id)): Path<(String, String)>,
    _: NoParams,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(rollout_json(&ops.rollout(&tenant.field(&model), &id)?)))
}

pub(in crate::http) async fn start(
    ops: Ops,
    tenant: TenantParam,
    Path(model): Path<String>,
    _: NoParams,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (model, body) = (tenant.field(&model), read::body(&ops, request).await?);
    let request = Members::parse(&body, CANARY).and_then(|mut members| {
        let version = members.text("version");
        let config = members.object("config", CANARY_CONFIG, config);
        let (plan, by) = config.unwrap_or_default();
        let (reason, forced) = (members.text("reason"), members.flag("force"));
        let reason = if reason.is_empty() && !by.is_empty() { format!("initiated by {by}") } else { reason };
        let deadline_ms = deadline_ms(&mut members);
        members.end(v1::StartRolloutRequest { model, version, plan: Some(plan), reason, forced, deadline_ms })
    });
    Ok(Json(rollout_json(&ops.start_rollout(record_refusal(&ops, request)?).await?)))
}

/// A plan, and who is said to have asked for it.
pub(super) fn config(config: &mut Members<'_>) -> (v1::RolloutPlan, String) {
    let plan = v1::RolloutPlan {
        schedule: config.decimals("rolloutSchedule"),
        window_ms: config.time_ms("evaluationWindow"),
        minimum_predictions: config.number("minimumPredictions", u64::from(u32::MAX)),
        error_rate: config.decimal("errorRateThreshold"),
        latency: config.decimal("latencyDegradationThreshold"),
        metrics: config.decimals_by_name("metricThresholds"),
        drift_severity: config.decimal("driftSeverityThreshold").unwrap_or_default(),
    };
    (plan, config.text("initiatedBy"))
}

pub(in crate::http) async fn change(
    ops: Ops,
    tenant: TenantParam,
    Path((model, rollout, command)): Path<(String, String, String)>,
    _: NoParams,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (model, body) = (tenant.field(&model), read::body(&ops, request).await?);
    // What needs no words needs no body.
    let body = if body.is_empty() { b"{}".as_slice().into() } else { body };
    let request = Members::parse(&body, ROLLOUT_CHANGE).and_then(|mut members| {
        let (reason, forced) = (members.text("reason"), members.flag("force"));
        let deadline_ms = deadline_ms(&mut members);
        members.end(v1::ChangeRolloutRequest { model, rollout, command, reason, forced, deadline_ms })
    });
    Ok(Json(rollout_json(&ops.change_rollout(record_refusal(&ops, request)?).await?)))
}

pub(in crate::http) async fn promote(
    ops: Ops,
    tenant: TenantParam,
    Path((model, version)): Path<(String, String)>,
    _: NoParams,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (model, body) = (tenant.field(&model), read::body(&ops, request).await?);
    let request = Members::parse(&body, STAGE).and_then(|mut members| {
        let stage = members.text("stage");
        let (reason, forced) = (members.text("reason"), members.flag("force"));
        let deadline_ms = deadline_ms(&mut members);
        members.end(v1::SetStageRequest { model, version, stage, reason, forced, deadline_ms })
    });
    Ok(Json(model_json(&ops.set_stage(record_refusal(&ops, request)?).await?)))
}

pub(super) fn deadline_ms(members: &mut Members<'_>) -> u32 {
    u32::try_from(members.number("deadline_ms", u32::MAX.into())).unwrap_or(u32::MAX)
}
