//! What the node is up to: for people, load balancers and Prometheus.

use axum::{
    Json,
    http::{HeaderName, StatusCode, header},
};
use psi_api::Cause;
use psi_replica::FieldName;
use serde_json::{Map, Value, json};
use tonic::Code;

use super::{answers::times::seconds, refusal::Refusal, routes::route::Route};
use crate::{
    VERSION,
    calls::{ops::Ops, readiness::why_not_healthy},
    metrics::scrape,
};

pub(super) async fn root(ops: Ops, routes: &'static [Route]) -> Json<Value> {
    let about = |route: &Route| (route.path.to_owned(), format!("{}: {}", route.methods(), route.help()).into());
    let paths: Map<String, Value> = routes.iter().map(about).collect();
    let settings = &ops.context.settings;
    Json(json!({
        "name": "Ψ-Field API",
        "version": VERSION,
        "status": if why_not_ready(&ops).is_none() { "active" } else { "not ready" },
        "timestamp": seconds(ops.context.now().wall.0),
        "node": settings.node.as_str(),
        "cluster": settings.cluster.as_str(),
        "paths": paths,
    }))
}

/// Always 200: it informs, `/health/ready` judges.
pub(super) async fn health(ops: Ops) -> Json<Value> {
    let why = why_not_ready(&ops);
    let engine = ops.context.read(|replica| replica.engine_name(&FieldName::default_field()));
    let (live, left, dead) = members(&ops);
    let time = ops.context.read(|replica| replica.time());
    Json(json!({
        "status": if why.is_none() { "healthy" } else { "not ready" },
        // The original service said here whether it could load its engine; this one is built with it.
        "import_success": true,
        "engine_initialized": true,
        "engine": engine,
        "ready": why.is_none(),
        "why": why,
        "members": { "live": live, "left": left, "dead": dead },
        "clock": { "offset_ms": time.offset_ms, "is_off": time.is_off, "lead_ms": time.lead_ms },
        "node": ops.context.settings.node.as_str(),
        "timestamp": seconds(ops.context.now().wall.0),
    }))
}

pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

pub(super) async fn ready(ops: Ops) -> Result<Json<Value>, Refusal> {
    match why_not_ready(&ops) {
        None => Ok(Json(json!({ "status": "ready" }))),
        Some(why) => Err(Cause::new(Code::Unavailable, "NOT_READY", why).into()),
    }
}

/// As Spring's actuator answers.
pub(super) async fn actuator(ops: Ops) -> (StatusCode, Json<Value>) {
    match why_not_ready(&ops) {
        None => (StatusCode::OK, Json(json!({ "status": "UP" }))),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "DOWN", "why": why }))),
    }
}

pub(super) async fn metrics(ops: Ops) -> ([(HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], scrape::render(&ops.context))
}

fn why_not_ready(ops: &Ops) -> Option<String> {
    why_not_healthy(&ops.context)
}

/// Counts of live, left and dead members. A node that knows none, since it just started or keeps to itself, is one.
pub(super) fn members(ops: &Ops) -> (usize, usize, usize) {
    let members = ops.context.members.borrow();
    let live = members.iter().filter(|member| member.live).count();
    let left = members.iter().filter(|member| member.left).count();
    (live.max(1), left, members.len() - live - left)
}
