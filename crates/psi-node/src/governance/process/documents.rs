//! Specs and transitions by their hashes: on this node's disk, or from another node, which can't give anything else.

use std::collections::BTreeSet;

use prost::Message;
use psi_api::v1::{FetchKind, FetchRequest};
use psi_process::{DecidedChain, STEPS_MAX, Spec, SpecHash, SpecStore, Transition, TransitionHash};
use psi_replica::NodeId;
use tracing::warn;

use super::peers::{fetch, live_others};
use crate::{
    governance::ledger::store::{LedgerStore, StoreError, blocking},
    node::context::NodeContext,
};

/// A transition, and which record of which ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacedTransition {
    pub(crate) hash: TransitionHash,
    pub(crate) transition: Transition,
    pub(crate) log: String,
    pub(crate) index: u64,
}

/// The same as it is kept.
#[derive(Clone, PartialEq, Message)]
struct TransitionBlob {
    #[prost(bytes = "vec", tag = "1")]
    transition: Vec<u8>,
    #[prost(string, tag = "2")]
    log: String,
    #[prost(uint64, tag = "3")]
    index: u64,
}

/// What is kept of a transition.
pub(crate) fn transition_blob(transition: Vec<u8>, log: String, index: u64) -> Vec<u8> {
    TransitionBlob { transition, log, index }.encode_to_vec()
}

/// A spec; `None` if neither this node nor another that answers holds it.
pub(crate) async fn spec(context: &NodeContext, hash: SpecHash, first: Option<&NodeId>) -> Option<Spec> {
    if let Some(spec) = context.specs.get(hash) {
        return Some(spec);
    }
    let read = |bytes: &[u8]| Spec::from_canonical(bytes).ok().filter(|spec| spec.hash() == hash);
    let spec = document(context, *hash.as_bytes(), first, read).await?;
    context.specs.put(&spec);
    Some(spec)
}

/// A transition; `None` as for a spec.
pub(crate) async fn transition(
    context: &NodeContext,
    hash: TransitionHash,
    first: Option<&NodeId>,
) -> Option<PlacedTransition> {
    document(context, *hash.as_bytes(), first, |bytes| read_transition(hash, bytes)).await
}

/// A transition as it is kept; `None` if the bytes are none, or another one.
pub(crate) fn read_transition(hash: TransitionHash, bytes: &[u8]) -> Option<PlacedTransition> {
    let TransitionBlob { transition, log, index } = TransitionBlob::decode(bytes).ok()?;
    let transition = Transition::decode(&transition).ok()?;
    (transition.hash() == Ok(hash)).then_some(PlacedTransition { hash, transition, log, index })
}

/// From the disk or from another node, in which case it is kept.
async fn document<T>(
    context: &NodeContext,
    hash: [u8; 32],
    first: Option<&NodeId>,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    if let Ok(Some(bytes)) = blocking(&context.ledger.store, move |store| store.blob(&hash)).await
        && let Some(document) = read(&bytes)
    {
        return Some(document);
    }
    for node in live_others(context, first) {
        let request = FetchRequest { kind: FetchKind::Blob.into(), hash: hash.to_vec(), ..FetchRequest::default() };
        let Some(bytes) = fetch(context, &node, request).await else { continue };
        let Some(document) = read(&bytes) else {
            warn!(%node, "a node gave something else than the spec or transition that it was asked for");
            continue;
        };
        // A vote rests on what the voter holds.
        if let Err(error) = keep(context, vec![(hash, bytes)]).await {
            warn!("what was fetched of a process can't be kept: {error}");
            return None;
        }
        return Some(document);
    }
    None
}

/// Transitions that this node's own disk has, from one back, at most as many as a chain may have.
pub(crate) async fn own_history(context: &NodeContext, from: TransitionHash) -> Vec<[u8; 32]> {
    let (mut next, mut found) = (Some(from), Vec::new());
    while let Some(hash) = next.filter(|_| found.len() < STEPS_MAX as usize) {
        let bytes = *hash.as_bytes();
        let Ok(Some(blob)) = blocking(&context.ledger.store, move |store| store.blob(&bytes)).await else { break };
        found.push(bytes);
        let transition = TransitionBlob::decode(blob.as_slice()).ok();
        let transition = transition.and_then(|blob| Transition::decode(&blob.transition).ok());
        next = transition.and_then(|transition| transition.predecessor);
    }
    found
}

/// Keeps specs and transitions on this node's disk.
pub(crate) async fn keep(context: &NodeContext, blobs: Vec<([u8; 32], Vec<u8>)>) -> Result<(), StoreError> {
    blocking(&context.ledger.store, move |store: &LedgerStore| store.put_blobs(&blobs)).await
}

/// The specs that say whether a transition follows where a chain stands, as far as they can be had.
pub(crate) async fn specs_of(
    context: &NodeContext,
    chain: &DecidedChain,
    transition: &Transition,
    first: Option<&NodeId>,
) -> SpecStore {
    let mut specs = SpecStore::default();
    let hashes: BTreeSet<_> = chain.state().map(|state| state.spec).into_iter().chain([transition.spec]).collect();
    for hash in hashes {
        if let Some(spec) = spec(context, hash, first).await {
            specs.add(spec);
        }
    }
    specs
}

/// What was decided, from a transition back, at most so many. Ends early where one can't be had.
pub(crate) async fn history(
    context: &NodeContext,
    from: Option<TransitionHash>,
    count: usize,
) -> Vec<PlacedTransition> {
    let (mut next, mut found) = (from, Vec::new());
    while let Some(hash) = next.filter(|_| found.len() < count) {
        let Some(placed) = transition(context, hash, None).await else { break };
        next = placed.transition.predecessor;
        found.push(placed);
    }
    found
}
