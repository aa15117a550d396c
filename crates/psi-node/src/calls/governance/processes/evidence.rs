//! Evidence that callers give, and what nodes ask each other for.

use prost::Message;
use psi_api::{Cause, v1};
use psi_ledger::{ContentHash, record::Content};
use psi_process::{
    Baseline, ChainState, Name, Subject, judge::DOCUMENT_BYTES_MAX, spec::ARTIFACT_BYTES_MAX,
    transition::TRANSITION_EVIDENCE_MAX,
};
use psi_replica::Clock;
use tonic::Code;

use super::{Ops, bad, states::piece_message, subject, task_subject, unreadable};
use crate::governance::{
    ledger::store::{
        blocking,
        processes::{EvidenceKey, StoredEvidence},
    },
    process::{
        attestation::own_attestation,
        chain::path_of,
        evidence::{EVIDENCE_BYTES_MAX, content_of, keep_own, merged_evidence, own_listing, spread},
    },
};

impl Ops {
    /// Keeps a piece of evidence of a task, here and on all nodes that can be reached.
    pub(crate) async fn add_evidence(&self, request: v1::AddEvidenceRequest) -> Result<v1::EvidenceList, Cause> {
        self.record_object(&format!("{}/{}: {}", request.process, request.task, request.name));
        let added = async {
            let (subject, _) = task_subject(&request.process, &request.task)?;
            let name = Name::new(&request.name).map_err(|error| bad(error.to_string()))?;
            let content = content(&request)?;
            let chain = self.chain(&subject)?;
            let state = chain.state().ok_or_else(|| self.unknown(&subject))?;
            self.check_goes_on(&subject)?;
            let clock = self.context.write(|replica, now| replica.ledger_clock(now));
            let (_, Clock { wall_ms, counter }) = clock.map_err(|error| Cause::from(&error))?;
            let piece = StoredEvidence {
                wall_ms,
                counter,
                node: self.context.settings.node.to_string(),
                sha256: content.sha256.as_bytes().to_vec(),
                size: content.size,
                document: request.document,
            };
            self.keep_piece(&subject, name.as_str(), piece.clone()).await?;
            let nodes = spread(&self.context, &subject, (name.as_str(), &piece)).await;
            Ok(v1::EvidenceList { pieces: self.pieces(state).await, nodes })
        };
        let added = added.await;
        self.record_refusal(added)
    }

    /// All evidence of a task, of all nodes that can be reached.
    pub(super) async fn pieces(&self, state: &ChainState) -> Vec<v1::EvidencePiece> {
        let pieces = merged_evidence(&self.context, state).await;
        pieces.iter().filter_map(|(name, piece)| piece_message(name, piece)).collect()
    }

    async fn keep_piece(&self, subject: &Subject, name: &str, piece: StoredEvidence) -> Result<(), Cause> {
        let kept = keep_own(&self.context, subject, name, piece).await;
        if kept.map_err(|error| unreadable(&error.to_string()))? {
            // The task may have ended meanwhile, and its evidence been removed before this piece.
            let going_on = self.check_goes_on(subject);
            if going_on.as_ref().is_err_and(|cause| cause.reason == "PROCESS_ENDED") {
                let path = path_of(subject);
                let removed = blocking(&self.context.ledger.store, move |store| store.remove_evidence(&path)).await;
                removed.map_err(|error| unreadable(&error.to_string()))?;
            }
            return going_on;
        }
        let message = format!(
            "a task has at most {TRANSITION_EVIDENCE_MAX} pieces of evidence, and a node keeps at most {} MiB of documents; \
             give long ones by hash (--hash), or end tasks that are over",
            EVIDENCE_BYTES_MAX >> 20
        );
        Err(Cause::new(Code::ResourceExhausted, "TOO_MUCH_EVIDENCE", message))
    }

    /// What another node asks for.
    pub(crate) async fn fetch(&self, request: v1::FetchRequest) -> Result<Vec<u8>, Cause> {
        let kind = request.kind();
        let v1::FetchRequest { hash, process, task, name, .. } = request;
        let none = || Cause::new(Code::NotFound, "NOT_HELD", "this node does not hold it");
        let store = &self.context.ledger.store;
        let held = match kind {
            v1::FetchKind::Blob => {
                let hash: [u8; 32] = hash.try_into().map_err(|_| none())?;
                blocking(store, move |store| store.blob(&hash)).await
            }
            v1::FetchKind::Evidence => {
                let listing = own_listing(&self.context, &subject(&process, &task)?).await;
                listing.map(|listing| Some(listing.encode_to_vec()))
            }
            v1::FetchKind::Document => {
                let key = EvidenceKey { task: path_of(&subject(&process, &task)?), name };
                let piece = blocking(store, move |store| store.evidence_piece(&key)).await;
                piece.map(|piece| piece.map(|piece| piece.document).filter(|document| !document.is_empty()))
            }
            v1::FetchKind::Attestation => {
                let process = Name::new(&process).map_err(|error| bad(error.to_string()))?;
                let node = own_attestation(&self.context, &process);
                Ok(node.map(|node| Baseline { node: Some(node), work: None }.to_bytes()))
            }
            v1::FetchKind::Unspecified => Ok(None),
        };
        held.map_err(|error| unreadable(&error.to_string()))?.ok_or_else(none)
    }

    /// Keeps a piece of evidence that another node was given.
    pub(crate) async fn keep(&self, request: v1::KeepRequest) -> Result<(), Cause> {
        let v1::KeepRequest { process, task, name, piece } = request;
        let (subject, _) = task_subject(&process, &task)?;
        let name = Name::new(&name).map_err(|error| bad(error.to_string()))?;
        let piece = StoredEvidence::decode(piece.as_slice()).map_err(|error| bad(error.to_string()))?;
        let is_whole = piece.document.is_empty() || Some(Content::of(&piece.document)) == content_of(&piece);
        if content_of(&piece).is_none() || !is_whole || piece.document.len() > DOCUMENT_BYTES_MAX {
            return Err(bad("the piece of evidence is not what its hash says".to_owned()));
        }
        self.check_goes_on(&subject)?;
        self.keep_piece(&subject, name.as_str(), piece).await
    }

    /// That the task has not ended: of what has, nothing is kept.
    fn check_goes_on(&self, subject: &Subject) -> Result<(), Cause> {
        let chain = self.chain(subject)?;
        let ended = chain.state().and_then(|state| Some((state.end?, state.head)));
        ended.map_or(Ok(()), |(end, current)| {
            Err(super::refused(&chain, &psi_process::TransitionRefusal::Ended { end, current }, None))
        })
    }
}

/// What a caller gives: a document, or the hash and size of one.
fn content(request: &v1::AddEvidenceRequest) -> Result<Content, Cause> {
    let v1::AddEvidenceRequest { document, sha256, size, .. } = request;
    let limit = |got: u64, limit: u64, way_out: &str| {
        let message = format!("the evidence has {got} bytes, and at most {limit} are allowed; {way_out}");
        bad(message).with("got", got).with("limit", limit)
    };
    if !document.is_empty() {
        let bytes = document.len() as u64;
        let content = Content::of(document);
        return match bytes <= DOCUMENT_BYTES_MAX as u64 {
            true if sha256.is_empty() || *sha256 == content.sha256.to_string() => Ok(content),
            true => Err(bad(format!("the document has hash {}, and {sha256} was named", content.sha256))),
            false => Err(limit(bytes, DOCUMENT_BYTES_MAX as u64, "give its hash and size (sha256, size; --hash)")),
        };
    }
    if *size > ARTIFACT_BYTES_MAX {
        return Err(limit(*size, ARTIFACT_BYTES_MAX, "cut it into pieces"));
    }
    let hash = data_encoding::HEXLOWER.decode(sha256.as_bytes()).ok().and_then(|hash| hash.try_into().ok());
    let hash: [u8; 32] =
        hash.ok_or_else(|| bad("give a document, or its SHA-256 as 64 small hex digits".to_owned()))?;
    let sha256 = ContentHash::from_bytes(hash);
    // Only what is empty has no bytes, and gates look at the size.
    if *size == 0 && sha256 != Content::of(b"").sha256 {
        return Err(bad("a hash without a document needs its size: say how many bytes it has (size)".to_owned()));
    }
    Ok(Content { sha256, size: *size })
}
