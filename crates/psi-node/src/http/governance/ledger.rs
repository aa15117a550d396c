//! The ledger over HTTP: records, heads, proofs, and all of it as a file.

use axum::{
    Json,
    body::Body,
    extract::{FromRequestParts, Path, Query},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use psi_api::v1;
use psi_ledger::LogName;
use psi_replica::{NodeId, Origin};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use crate::calls::{governance::ledger::RecordQuery, ops::Ops};
use crate::http::{
    answers::times::utc,
    refusal::{Problem, Refusal, record_refusal},
    requests::{address::NoParams, params::bad_query},
};

/// What a list of records may ask for.
pub(in crate::http) struct RecordParams(RecordQuery);

impl FromRequestParts<Ops> for RecordParams {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Choice {
            page_size: Option<u64>,
            page_token: Option<String>,
            node: Option<String>,
            kind: Option<String>,
        }
        let known = "there are ?page_size=, page_token=, node=, kind=";
        let read = Query::<Choice>::try_from_uri(&parts.uri).map_err(|error| bad_query(&error.body_text(), known));
        let Query(Choice { page_size, page_token, node, kind }) = record_refusal(ops, read)?;
        let text = Option::unwrap_or_default;
        let (token, node, kind) = (text(page_token), text(node), text(kind));
        Ok(Self(RecordQuery { size: page_size.unwrap_or_default(), token, node, kind }))
    }
}

/// The record that a path names, as node, run and index.
pub(in crate::http) struct RecordParam {
    log: String,
    index: u64,
}

impl FromRequestParts<Ops> for RecordParam {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        let _ = NoParams::from_request_parts(parts, ops).await?;
        let named = Path::<(String, u64, u64)>::from_request_parts(parts, ops).await.ok();
        let named = named.and_then(|Path((node, incarnation, index))| {
            let run = Origin { node: NodeId::new(&node).ok()?, incarnation };
            let log = LogName { cluster: ops.context.settings.cluster.clone(), run };
            Some(Self { log: log.to_string(), index })
        });
        let refused = || {
            let msg = "the path names a record by its node, its run and its index, such as node-1/1764468265123456/0";
            let problem = Problem::new(["path".into(), "name".into()], "value_error.bad_record_name", msg);
            Refusal::invalid("BAD_RECORD_NAME", vec![problem])
        };
        record_refusal(ops, named.ok_or_else(refused))
    }
}

pub(in crate::http) async fn records(ops: Ops, RecordParams(query): RecordParams) -> Result<Json<Value>, Refusal> {
    let v1::ListRecordsResponse { records, next_page_token, node } = ops.ledger_records(query).await?;
    let records: Vec<Value> = records.iter().map(record_json).collect();
    let next = Some(next_page_token).filter(|token| !token.is_empty());
    Ok(Json(json!({ "records": records, "next_page_token": next, "node": node })))
}

pub(in crate::http) async fn record(ops: Ops, RecordParam { log, index }: RecordParam) -> Result<Json<Value>, Refusal> {
    Ok(Json(record_json(&ops.ledger_record(&log, index).await?)))
}

pub(in crate::http) async fn proof(ops: Ops, RecordParam { log, index }: RecordParam) -> Result<String, Refusal> {
    Ok(ops.prove_record(&log, index).await?)
}

pub(in crate::http) async fn heads(ops: Ops, _: NoParams) -> Result<Json<Value>, Refusal> {
    let v1::ListHeadsResponse { heads, node } = ops.ledger_heads().await?;
    let heads: Vec<Value> = heads.iter().map(head_json).collect();
    Ok(Json(json!({ "heads": heads, "node": node })))
}

/// The file comes in pieces. One that breaks off lacks its end, and `ledger verify` says so.
pub(in crate::http) async fn export(ops: Ops, _: NoParams) -> Result<Response, Refusal> {
    let chunks = ReceiverStream::new(ops.export_ledger()?);
    let chunks = chunks.map(|chunk| chunk.map_err(|status| status.message().to_owned()));
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(EXPORT_TYPE))];
    Ok((kind, Body::from_stream(chunks)).into_response())
}

/// The media type of an export.
pub(in crate::http) const EXPORT_TYPE: &str = "application/octet-stream";

fn record_json(record: &v1::LedgerRecord) -> Value {
    let v1::LedgerRecord {
        log,
        index,
        time,
        counter,
        kind,
        actor,
        method,
        object,
        action,
        outcome,
        address,
        count,
        leaf_hash,
        evidence,
        record: _,
    } = record;
    let evidence: Vec<Value> = evidence
        .iter()
        .map(|v1::LedgerEvidence { name, sha256, size }| json!({ "name": name, "sha256": sha256, "size": size }))
        .collect();
    json!({
        "log": log,
        "index": index,
        "time": time.as_ref().map(time_text),
        "counter": counter,
        "kind": kind,
        "actor": actor,
        "method": method,
        "object": object,
        "action": action,
        "outcome": outcome,
        "address": address,
        "count": count,
        "leaf_hash": leaf_hash,
        "evidence": evidence,
    })
}

fn head_json(head: &v1::LedgerHead) -> Value {
    let v1::LedgerHead { log, size, held, time, note, public_key, conflicts, voucher: _ } = head;
    json!({
        "log": log,
        "size": size,
        "held": held,
        "time": time.as_ref().map(time_text),
        "note": note,
        "public_key": public_key,
        "conflicts": conflicts,
    })
}

fn time_text(time: &prost_types::Timestamp) -> String {
    let ms = u64::try_from(time.seconds).unwrap_or(0).saturating_mul(1_000);
    utc(ms.saturating_add(u64::try_from(time.nanos / 1_000_000).unwrap_or(0)))
}
