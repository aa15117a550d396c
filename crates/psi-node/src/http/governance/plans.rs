//! What drift led to, over HTTP, under the names that other programs know: plans and their actions.

use axum::{
    Json,
    extract::{FromRequestParts, Path, Query, Request},
    http::request::Parts,
};
use psi_api::{Cause, v1};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tonic::Code;

use super::rollouts::{answers::config_json, config, deadline_ms};
use crate::{
    calls::ops::Ops,
    http::{
        governance::processes::answers::{some, time_text},
        refusal::{Refusal, record_refusal},
        requests::{
            address::{NoParams, TenantParam},
            json::members::Members,
            params::bad_query,
            read,
        },
        routes::properties::rollouts::{CANARY_CONFIG, DRIFT_CONFIG, REMEDIATION},
    },
};

/// The one type of plans.
const PLAN_TYPE: &str = "DRIFT_REMEDIATION";
/// So many are listed if nothing else is asked for.
const LIMIT: usize = 100;
/// What other programs put before the name of a model.
const MODEL_URN: &str = "rim:model:";

/// Which plans an address asks for.
pub(in crate::http) struct PlanParams {
    tenant: TenantParam,
    model: String,
    status: String,
    is_type_known: bool,
    limit: usize,
}

impl FromRequestParts<Ops> for PlanParams {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        struct Choice {
            plan_type: Option<String>,
            status: Option<String>,
            rim_node_id: Option<String>,
            model: Option<String>,
            limit: Option<usize>,
        }
        let known = "there are ?planType=, status=, model=, rimNodeId=, limit=";
        let read = Query::<Choice>::try_from_uri(&parts.uri).map_err(|error| bad_query(&error.body_text(), known));
        let Query(Choice { plan_type, status, rim_node_id, model, limit }) = record_refusal(ops, read)?;
        let tenant = TenantParam::from_request_parts(parts, ops).await?;
        let urn = rim_node_id.map(|urn| urn.strip_prefix(MODEL_URN).unwrap_or(&urn).to_owned());
        let model = model.or(urn).map(|model| tenant.field(&model)).unwrap_or_default();
        let is_type_known = plan_type.is_none_or(|of| of == PLAN_TYPE);
        Ok(Self { tenant, model, status: status.unwrap_or_default(), is_type_known, limit: limit.unwrap_or(LIMIT) })
    }
}

impl PlanParams {
    fn read(&self, ops: &Ops) -> Result<Vec<v1::RemediationPlan>, Refusal> {
        let mut plans = ops.plans(&self.model, &self.status)?.plans;
        plans.retain(|plan| self.is_type_known && self.tenant.model(&plan.model).is_some());
        Ok(plans)
    }
}

pub(in crate::http) async fn list(ops: Ops, params: PlanParams) -> Result<Json<Value>, Refusal> {
    Ok(answer(&ops, params.read(&ops)?.iter().take(params.limit).map(plan_json)))
}

/// The actions of all plans, the latest first.
pub(in crate::http) async fn actions(ops: Ops, params: PlanParams) -> Result<Json<Value>, Refusal> {
    let plans = params.read(&ops)?;
    let content = plans.iter().flat_map(|plan| plan.actions.iter().rev().map(|action| action_json(plan, action)));
    Ok(answer(&ops, content.take(params.limit)))
}

pub(in crate::http) async fn show(
    ops: Ops,
    tenant: TenantParam,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(plan_json(&find(&ops, &tenant, &id)?)))
}

pub(in crate::http) async fn actions_of(
    ops: Ops,
    tenant: TenantParam,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Value>, Refusal> {
    let plan = find(&ops, &tenant, &id)?;
    Ok(answer(&ops, plan.actions.iter().map(|action| action_json(&plan, action))))
}

fn find(ops: &Ops, tenant: &TenantParam, id: &str) -> Result<v1::RemediationPlan, Refusal> {
    let plans = ops.plans("", "")?.plans;
    let found = plans.into_iter().find(|plan| plan.id == id && tenant.model(&plan.model).is_some());
    found.ok_or_else(|| {
        let id: String = id.chars().take(80).collect();
        let message = format!("there is no plan `{id}`; see `GET /api/v1/plans`: a model keeps its latest four");
        ops.record_cause(Cause::new(Code::NotFound, "UNKNOWN_PLAN", message)).into()
    })
}

pub(in crate::http) async fn remediation(
    ops: Ops,
    tenant: TenantParam,
    Path(model): Path<String>,
    _: NoParams,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(remediation_json(&ops.remediation(&tenant.field(&model))?)))
}

pub(in crate::http) async fn set_remediation(
    ops: Ops,
    tenant: TenantParam,
    Path(model): Path<String>,
    _: NoParams,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (model, body) = (tenant.field(&model), read::body(&ops, request).await?);
    let request = Members::parse(&body, REMEDIATION).and_then(|mut members| {
        let mode = members.text("mode");
        let plan = members.object("config", CANARY_CONFIG, config).map(|(plan, _)| plan);
        let (reason, deadline_ms) = (members.text("reason"), deadline_ms(&mut members));
        members.end(v1::SetRemediationRequest { model, mode, plan, reason, deadline_ms })
    });
    Ok(Json(remediation_json(&ops.set_remediation(record_refusal(&ops, request)?).await?)))
}

/// The switch that other programs know: on or off for all models of a tenant, or for all.
pub(in crate::http) async fn configure(
    ops: Ops,
    tenant: TenantParam,
    _: NoParams,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let body = read::body(&ops, request).await?;
    let is_on = Members::parse(&body, DRIFT_CONFIG).and_then(|mut members| {
        let is_on = members.flag("autoRemediationEnabled");
        members.end(is_on)
    });
    let is_on = record_refusal(&ops, is_on)?;
    let set = ops.switch_remediation(is_on, &tenant.field("")).await?;
    let models: Map<String, Value> = set.into_iter().map(|of| (of.model, json!(of.mode))).collect();
    let node = ops.context.settings.node.as_str();
    Ok(Json(json!({ "autoRemediationEnabled": is_on, "models": models, "node": node })))
}

fn answer(ops: &Ops, content: impl Iterator<Item = Value>) -> Json<Value> {
    let content: Vec<Value> = content.collect();
    Json(json!({ "content": content, "node": ops.context.settings.node.as_str() }))
}

fn plan_json(plan: &v1::RemediationPlan) -> Value {
    json!({
        "id": plan.id,
        "planType": PLAN_TYPE,
        "status": plan.status,
        "model": plan.model,
        "rimNodeId": format!("{MODEL_URN}{}", plan.model),
        "champion": plan.champion,
        "severity": plan.severity,
        "since": time_text(plan.since.as_ref()),
        "found": time_text(plan.found.as_ref()),
        "version": some(&plan.canary),
        "deployment": some(&plan.rollout),
        "began": time_text(plan.began.as_ref()),
        "ended": time_text(plan.ended.as_ref()),
        "next": some(&plan.next),
        "actions": plan.actions.iter().map(|action| action_json(plan, action)).collect::<Vec<_>>(),
    })
}

fn action_json(plan: &v1::RemediationPlan, action: &v1::RemediationAction) -> Value {
    json!({
        "id": action.id,
        "planId": plan.id,
        "rimNodeId": format!("{MODEL_URN}{}", plan.model),
        "tool": action.tool,
        "status": action.status,
        "at": time_text(action.at.as_ref()),
    })
}

fn remediation_json(remediation: &v1::Remediation) -> Value {
    json!({
        "model": remediation.model,
        "mode": remediation.mode,
        "config": remediation.plan.as_ref().map(config_json),
        "severity": remediation.severity,
        "next": remediation.next,
        "node": remediation.node,
    })
}
