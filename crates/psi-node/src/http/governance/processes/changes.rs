//! Changes of processes over HTTP: each body is read into the request of gRPC that does the same.

use axum::{
    Json,
    extract::Request,
    routing::{MethodRouter, post},
};
use data_encoding::BASE64;
use psi_api::v1;
use psi_process::judge::DOCUMENT_BYTES_MAX;
use serde_json::{Value, json};

use super::answers::{advance_json, emergency_json, evidence_json, state_json};
use crate::{
    calls::ops::Ops,
    http::{
        refusal::{Refusal, record_refusal},
        requests::{
            address::{NameParam, NoParams},
            json::members::Members,
            read,
        },
        routes::{
            properties::processes::{
                ABORTION, ADVANCE, APPLICATION, EMERGENCY, EVIDENCE, MODE, PROCESS_BASELINE, WORK,
            },
            property::Property,
        },
    },
};

/// A document of the largest size fits in as base64, and as text with some signs that JSON escapes.
const EVIDENCE_BODY_BYTES_MAX: usize = DOCUMENT_BYTES_MAX / 2 * 3;

/// What is done to a process, or to a task of it.
#[derive(Clone, Copy)]
pub(in crate::http) enum Change {
    Advance,
    Abort,
    Mode,
    Baseline,
    Evidence,
}

impl Change {
    /// What a body may have.
    const fn members(self) -> &'static [Property] {
        match self {
            Self::Advance => ADVANCE,
            Self::Abort => ABORTION,
            Self::Mode => MODE,
            Self::Baseline => PROCESS_BASELINE,
            Self::Evidence => EVIDENCE,
        }
    }

    /// One handler for all: as five they would be five times the code.
    pub(in crate::http) fn handler(self) -> MethodRouter<Ops> {
        post(move |ops: Ops, NameParam(name): NameParam, request: Request| self.answer(ops, name, request))
    }

    async fn answer(self, ops: Ops, process: String, request: Request) -> Result<Json<Value>, Refusal> {
        let room = if matches!(self, Self::Evidence) { EVIDENCE_BODY_BYTES_MAX } else { 0 };
        let body = read::body_within(&ops, request, room).await?;
        let read = || Members::parse(&body, self.members());
        let state = match self {
            Self::Advance => {
                let request = record_refusal(&ops, read().and_then(|members| advance(process, members)))?;
                return Ok(Json(advance_json(&ops.advance_task(request).await?)));
            }
            Self::Evidence => {
                let request = record_refusal(&ops, read().and_then(|members| piece(process, members)))?;
                drop(body);
                let v1::EvidenceList { pieces, nodes } = ops.add_evidence(request).await?;
                return Ok(Json(json!({ "evidence": evidence_json(&pieces), "nodes": nodes })));
            }
            Self::Abort => {
                let request = record_refusal(&ops, read().and_then(|members| abortion(process, members)))?;
                ops.abort_process(request).await?
            }
            Self::Mode => {
                let request = record_refusal(&ops, read().and_then(|members| mode(process, members)))?;
                ops.switch_mode(request).await?
            }
            Self::Baseline => {
                let request = record_refusal(&ops, read().and_then(|members| baseline(process, members)))?;
                ops.set_process_baseline(request).await?
            }
        };
        Ok(Json(state_json(&state)))
    }
}

pub(in crate::http) async fn apply(ops: Ops, _: NoParams, request: Request) -> Result<Json<Value>, Refusal> {
    let body = read::body(&ops, request).await?;
    let request = Members::parse(&body, APPLICATION).and_then(|mut members| {
        let (predecessor, reason, deadline_ms) = step(&mut members);
        let request = v1::ApplySpecRequest { toml: members.text("spec"), predecessor, reason, deadline_ms };
        members.end(request)
    });
    Ok(Json(state_json(&ops.apply_spec(record_refusal(&ops, request)?).await?)))
}

pub(in crate::http) async fn switch_emergency(ops: Ops, _: NoParams, request: Request) -> Result<Json<Value>, Refusal> {
    let body = read::body(&ops, request).await?;
    let request = Members::parse(&body, EMERGENCY).and_then(|mut members| {
        let (on, reason) = (members.flag("on"), members.text("reason"));
        let deadline_ms = deadline_ms(&mut members);
        members.end(v1::SwitchEmergencyRequest { on, reason, deadline_ms })
    });
    Ok(Json(emergency_json(&ops.switch_emergency(record_refusal(&ops, request)?).await?)))
}

fn advance(process: String, mut members: Members<'_>) -> Result<v1::AdvanceTaskRequest, Refusal> {
    let (predecessor, reason, deadline_ms) = step(&mut members);
    let (task, client) = (members.text("task"), members.text("client"));
    let (forced, work) = (members.flag("force"), work(&mut members));
    members.end(v1::AdvanceTaskRequest { process, task, predecessor, forced, reason, client, work, deadline_ms })
}

fn abortion(process: String, mut members: Members<'_>) -> Result<v1::AbortProcessRequest, Refusal> {
    let (predecessor, reason, deadline_ms) = step(&mut members);
    let task = members.text("task");
    members.end(v1::AbortProcessRequest { process, task, predecessor, reason, deadline_ms })
}

fn mode(process: String, mut members: Members<'_>) -> Result<v1::SwitchModeRequest, Refusal> {
    let (predecessor, reason, deadline_ms) = step(&mut members);
    let mode = members.text("mode");
    members.end(v1::SwitchModeRequest { process, mode, predecessor, reason, deadline_ms })
}

fn baseline(process: String, mut members: Members<'_>) -> Result<v1::SetProcessBaselineRequest, Refusal> {
    let (predecessor, reason, deadline_ms) = step(&mut members);
    let (task, work) = (members.text("task"), work(&mut members));
    members.end(v1::SetProcessBaselineRequest { process, task, predecessor, reason, work, deadline_ms })
}

/// A piece of evidence, whose document comes as text or JSON, as base64, or not at all.
fn piece(process: String, mut members: Members<'_>) -> Result<v1::AddEvidenceRequest, Refusal> {
    let (task, name, sha256) = (members.text("task"), members.text("name"), members.text("sha256"));
    let size = members.number("size", 1 << 53);
    let (mut document, encoded) = (members.document("document"), members.text("document_base64"));
    if !encoded.is_empty() {
        match BASE64.decode(encoded.as_bytes()) {
            Ok(bytes) if document.is_empty() => document = bytes,
            Ok(_) => members.refuse("document", "value_error", "send document or document_base64, not both".to_owned()),
            Err(error) => members.refuse("document_base64", "value_error", format!("document_base64: {error}")),
        }
    }
    members.end(v1::AddEvidenceRequest { process, task, name, document, sha256, size })
}

/// What each step names: the transition that it follows, why, and how long it may take.
fn step(members: &mut Members<'_>) -> (String, String, u32) {
    (members.text("after"), members.text("reason"), deadline_ms(members))
}

fn deadline_ms(members: &mut Members<'_>) -> u32 {
    u32::try_from(members.number("deadline_ms", u32::MAX.into())).unwrap_or(u32::MAX)
}

fn work(members: &mut Members<'_>) -> Option<v1::WorkOrder> {
    members.object("work", WORK, |work| v1::WorkOrder {
        requirements: work.text("requirements"),
        gates: work.texts("gates"),
        artifacts: work.texts("artifacts"),
        model: work.text("model"),
        persona: work.text("persona"),
    })
}
