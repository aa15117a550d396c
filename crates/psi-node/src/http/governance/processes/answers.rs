//! Processes, tasks and transitions as JSON.

use psi_api::v1;
use serde_json::{Value, json};

use crate::http::answers::times::utc;

pub(in crate::http::governance) fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

pub(in crate::http::governance) fn time_text(time: Option<&prost_types::Timestamp>) -> Option<String> {
    let ms = |time: &prost_types::Timestamp| u64::try_from(time.seconds).unwrap_or(0).saturating_mul(1_000);
    time.map(|time| utc(ms(time).saturating_add(u64::try_from(time.nanos / 1_000_000).unwrap_or(0))))
}

pub(super) fn state_json(state: &v1::ProcessState) -> Value {
    let judgements: Vec<Value> = state.judgements.iter().map(judgement_json).collect();
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
        "evidence": evidence_json(&state.evidence),
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

pub(super) fn evidence_json(pieces: &[v1::EvidencePiece]) -> Value {
    let piece = |v1::EvidencePiece { name, sha256, size, time: _ }: &v1::EvidencePiece| json!({ "name": name, "sha256": sha256, "size": size });
    pieces.iter().map(piece).collect()
}

pub(super) fn advance_json(advanced: &v1::AdvanceTaskResponse) -> Value {
    let v1::AdvanceTaskResponse { action, judgements, state } = advanced;
    let judgements: Vec<Value> = judgements.iter().map(judgement_json).collect();
    json!({ "action": some(action), "judgements": judgements, "state": state.as_ref().map(state_json) })
}

pub(super) fn emergency_json(v1::EmergencyState { on, reason, actor, time, node }: &v1::EmergencyState) -> Value {
    let time = time_text(time.as_ref());
    json!({ "on": on, "reason": some(reason), "actor": some(actor), "time": time, "node": node })
}

pub(super) fn transition_json(step: &v1::ProcessTransition) -> Value {
    let judgements: Vec<Value> = step.judgements.iter().map(judgement_json).collect();
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
        "evidence": evidence_json(&step.evidence),
        "log": step.log,
        "index": step.index,
    })
}
