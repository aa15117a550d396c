//! Evidence of tasks, as long as they go on.

use std::collections::BTreeMap;

use prost::Message;
use psi_api::v1::{FetchKind, FetchRequest, KeepRequest};
use psi_ledger::record::Content;
use psi_process::judge::DOCUMENT_BYTES_MAX;
use psi_process::transition::TRANSITION_EVIDENCE_MAX;
use psi_process::{ChainState, Subject};

use super::{
    chain::path_of,
    peers::{fetch, keep, live_others},
};
use crate::{
    governance::ledger::store::{
        StoreError, blocking,
        processes::{EvidenceKey, StoredEvidence},
    },
    node::context::NodeContext,
};

/// Most bytes of documents that a node keeps, of all tasks together.
pub(crate) const EVIDENCE_BYTES_MAX: usize = 64 << 20;

/// The evidence of a task that a node keeps, without documents.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EvidenceList {
    #[prost(message, repeated, tag = "1")]
    pub(crate) pieces: Vec<ListedEvidence>,
}

/// One of them.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListedEvidence {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    piece: Option<StoredEvidence>,
}

/// What this node keeps of a task.
pub(crate) async fn own_listing(context: &NodeContext, subject: &Subject) -> Result<EvidenceList, StoreError> {
    let path = path_of(subject);
    let pieces = blocking(&context.ledger.store, move |store| store.evidence(&path)).await?;
    let listed = |(name, piece)| ListedEvidence { name, piece: Some(piece) };
    Ok(EvidenceList { pieces: pieces.into_iter().map(listed).collect() })
}

/// The evidence of a task, of all live nodes: of each name the latest. What is older than the task was given to another of
/// its name.
pub(crate) async fn merged_evidence(context: &NodeContext, state: &ChainState) -> BTreeMap<String, StoredEvidence> {
    let (subject, begun) = (&state.subject, (state.begun.wall_ms, state.begun.counter));
    let asked = live_others(context, None).into_iter().map(|node| async move {
        let bytes = fetch(context, &node, request(FetchKind::Evidence, subject, "")).await?;
        EvidenceList::decode(bytes.as_slice()).ok().filter(|listing| listing.pieces.len() <= TRANSITION_EVIDENCE_MAX)
    });
    let others = futures_util::future::join_all(asked).await.into_iter().flatten();
    let own = own_listing(context, subject).await.unwrap_or_default();
    let mut merged: BTreeMap<String, StoredEvidence> = BTreeMap::new();
    for ListedEvidence { name, piece } in others.chain([own]).flat_map(|listing| listing.pieces) {
        let is_of_task = |piece: &StoredEvidence| (piece.wall_ms, piece.counter) > begun && content_of(piece).is_some();
        let Some(piece) = piece.filter(is_of_task) else { continue };
        if merged.get(&name).is_none_or(|other| other.order() < piece.order()) {
            merged.insert(name, piece);
        }
    }
    merged
}

/// The document of a piece, from this node or another one; `None` if only its hash was given, or nobody has it.
pub(crate) async fn document(
    context: &NodeContext,
    subject: &Subject,
    (name, piece): (&str, &StoredEvidence),
) -> Option<Vec<u8>> {
    let is_it = |document: &Vec<u8>| Some(Content::of(document)) == content_of(piece);
    let key = EvidenceKey { task: path_of(subject), name: name.to_owned() };
    let own = blocking(&context.ledger.store, move |store| store.evidence_piece(&key)).await.ok().flatten();
    if let Some(document) = own.map(|own| own.document).filter(is_it) {
        return Some(document);
    }
    if piece.size > DOCUMENT_BYTES_MAX as u64 {
        return None;
    }
    for node in live_others(context, None) {
        let bytes = fetch(context, &node, request(FetchKind::Document, subject, name)).await;
        if let Some(document) = bytes.filter(is_it) {
            return Some(document);
        }
    }
    None
}

/// The hash and size of a piece; `None` if it has none.
pub(crate) fn content_of(piece: &StoredEvidence) -> Option<Content> {
    let sha256 = psi_ledger::ContentHash::from_bytes(piece.sha256.as_slice().try_into().ok()?);
    Some(Content { sha256, size: piece.size })
}

/// Has all live nodes keep a piece. Returns those that do, this one among them.
pub(crate) async fn spread(
    context: &NodeContext,
    subject: &Subject,
    (name, piece): (&str, &StoredEvidence),
) -> Vec<String> {
    let asked = live_others(context, None).into_iter().map(|node| async move {
        let FetchRequest { process, task, name, .. } = request(FetchKind::Document, subject, name);
        let request = KeepRequest { process, task, name, piece: piece.encode_to_vec() };
        keep(context, &node, request).await.then(|| node.to_string())
    });
    let mut nodes: Vec<_> = futures_util::future::join_all(asked).await.into_iter().flatten().collect();
    nodes.push(context.settings.node.to_string());
    nodes.sort();
    nodes
}

/// Keeps a piece on this node; `false` if the task has too many, or this node too much.
pub(crate) async fn keep_own(
    context: &NodeContext,
    subject: &Subject,
    name: &str,
    piece: StoredEvidence,
) -> Result<bool, StoreError> {
    let key = EvidenceKey { task: path_of(subject), name: name.to_owned() };
    let limits = (TRANSITION_EVIDENCE_MAX, EVIDENCE_BYTES_MAX);
    blocking(&context.ledger.store, move |store| store.put_evidence(&key, &piece, limits)).await
}

fn request(kind: FetchKind, subject: &Subject, name: &str) -> FetchRequest {
    FetchRequest {
        kind: kind.into(),
        hash: Vec::new(),
        process: subject.process.to_string(),
        task: subject.task.as_ref().map(ToString::to_string).unwrap_or_default(),
        name: name.to_owned(),
    }
}
