//! Processes over HTTP: which there are, where they stand, and what was decided.

use axum::{
    Json,
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use psi_api::v1;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::calls::ops::Ops;
use crate::http::{
    answers::times::utc,
    refusal::{Refusal, record_refusal},
    requests::params::bad_query,
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

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn time_text(time: Option<&prost_types::Timestamp>) -> Option<String> {
    let ms = |time: &prost_types::Timestamp| u64::try_from(time.seconds).unwrap_or(0).saturating_mul(1_000);
    time.map(|time| utc(ms(time).saturating_add(u64::try_from(time.nanos / 1_000_000).unwrap_or(0))))
}

fn state_json(state: &v1::ProcessState) -> Value {
    let judgements: Vec<Value> = state.judgements.iter().map(judgement_json).collect();
    let evidence: Vec<Value> = state.evidence.iter().map(piece_json).collect();
    let node_json = |node: &v1::NodeAttestationState| {
        let v1::NodeAttestationState { node, build, protocol, settings, spec, status } = node;
        json!({
            "node": node, "build": build, "protocol": protocol, "settings": settings, "spec": spec, "status": status
        })
    };
    let nodes: Vec<Value> = state.nodes.iter().map(node_json).collect();
    json!({
        "process": state.process,
        "task": some(&state.task),
        "spec": state.spec,
        "mode": state.mode,
        "phase": some(&state.phase),
        "phase_hash": some(&state.phase_hash),
        "head": state.head,
        "step": state.step,
        "returns": state.returns,
        "end": some(&state.end),
        "time": time_text(state.time.as_ref()),
        "baseline": state.baseline,
        "emergency": state.emergency,
        "judgements": judgements,
        "evidence": evidence,
        "nodes": nodes,
        "node": state.node,
    })
}

fn judgement_json(judgement: &v1::GateJudgement) -> Value {
    let v1::GateJudgement { gate, verdict, hold, reason, readings, missing } = judgement;
    json!({
        "gate": gate,
        "verdict": verdict,
        "hold": some(hold),
        "reason": reason,
        "readings": readings,
        "missing": missing,
    })
}

fn piece_json(v1::EvidencePiece { name, sha256, size, time: _ }: &v1::EvidencePiece) -> Value {
    json!({ "name": name, "sha256": sha256, "size": size })
}

fn transition_json(step: &v1::ProcessTransition) -> Value {
    let judgements: Vec<Value> = step.judgements.iter().map(judgement_json).collect();
    let evidence: Vec<Value> = step.evidence.iter().map(piece_json).collect();
    json!({
        "step": step.step,
        "hash": step.hash,
        "predecessor": some(&step.predecessor),
        "action": step.action,
        "from": some(&step.from),
        "to": some(&step.to),
        "mode": step.mode,
        "spec": step.spec,
        "time": time_text(step.time.as_ref()),
        "node": step.node,
        "actor": step.actor,
        "forced": step.forced,
        "reason": step.reason,
        "judgements": judgements,
        "evidence": evidence,
        "log": step.log,
        "index": step.index,
    })
}
