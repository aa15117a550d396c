//! Processes over HTTP: which there are, where they stand, what was decided; and what changes them.

pub(super) mod answers;
pub(in crate::http) mod changes;

use axum::{
    Json,
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use psi_api::v1;
use serde::Deserialize;
use serde_json::{Value, json};

use self::answers::{emergency_json, evidence_json, some, state_json, transition_json};
use crate::calls::ops::Ops;
use crate::http::{
    refusal::{Refusal, record_refusal},
    requests::{address::NoParams, params::bad_query},
};

/// What an address asks for: a process or none, and in its query a task and a page.
pub(in crate::http) struct ProcessParams {
    process: String,
    task: String,
    page_size: u32,
    page_token: String,
}

impl FromRequestParts<Ops> for ProcessParams {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Choice {
            process: Option<String>,
            task: Option<String>,
            page_size: Option<u32>,
            page_token: Option<String>,
        }
        let known = "there are ?process=, task=, page_size=, page_token=";
        let read = Query::<Choice>::try_from_uri(&parts.uri).map_err(|error| bad_query(&error.body_text(), known));
        let Query(Choice { process, task, page_size, page_token }) = record_refusal(ops, read)?;
        let named = Path::<String>::from_request_parts(parts, ops).await.ok().map(|Path(name)| name);
        let text = Option::unwrap_or_default;
        Ok(Self {
            process: named.unwrap_or(text(process)),
            task: text(task),
            page_size: page_size.unwrap_or_default(),
            page_token: text(page_token),
        })
    }
}

pub(in crate::http) async fn list(ops: Ops, params: ProcessParams) -> Result<Json<Value>, Refusal> {
    let ProcessParams { process, page_size, page_token, task: _ } = params;
    let listed = ops.processes(v1::ListProcessesRequest { process, page_size, page_token })?;
    let v1::ListProcessesResponse { processes, next_page_token, node } = listed;
    let processes: Vec<Value> = processes.iter().map(state_json).collect();
    Ok(Json(json!({ "processes": processes, "next_page_token": some(&next_page_token), "node": node })))
}

pub(in crate::http) async fn status(ops: Ops, params: ProcessParams) -> Result<Json<Value>, Refusal> {
    let ProcessParams { process, task, .. } = params;
    Ok(Json(state_json(&ops.process(v1::GetProcessRequest { process, task, judged: true }).await?)))
}

pub(in crate::http) async fn log(ops: Ops, params: ProcessParams) -> Result<Json<Value>, Refusal> {
    let ProcessParams { process, task, page_size, page_token } = params;
    let listed = ops.transitions(v1::ListTransitionsRequest { process, task, page_size, page_token }).await?;
    let v1::ListTransitionsResponse { transitions, next_page_token, node } = listed;
    let transitions: Vec<Value> = transitions.iter().map(transition_json).collect();
    Ok(Json(json!({ "transitions": transitions, "next_page_token": some(&next_page_token), "node": node })))
}

pub(in crate::http) async fn evidence(ops: Ops, params: ProcessParams) -> Result<Json<Value>, Refusal> {
    let ProcessParams { process, task, .. } = params;
    if task.is_empty() {
        return record_refusal(&ops, Err(bad_query("evidence is that of a task", "name one, such as ?task=main")));
    }
    let v1::ProcessState { evidence, node, .. } =
        ops.process(v1::GetProcessRequest { process, task, judged: false }).await?;
    Ok(Json(json!({ "evidence": evidence_json(&evidence), "node": node })))
}

pub(in crate::http) async fn emergency(ops: Ops, _: NoParams) -> Json<Value> {
    Json(emergency_json(&ops.emergency_state()))
}
