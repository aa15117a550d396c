//! What nodes run.

use std::collections::BTreeMap;

use psi_api::v1::{FetchKind, FetchRequest};
use psi_process::{Baseline, Name, NodeAttestation, SettingsHash, SpecHash, Subject};
use psi_replica::NodeId;

use super::{
    chain::known_chain,
    peers::{fetch, live_others},
};
use crate::{node::context::NodeContext, settings::Settings};

/// What this node runs, with the spec of a process as it knows that; `None` where it knows of none.
pub(crate) fn own_attestation(context: &NodeContext, process: &Name) -> Option<NodeAttestation> {
    let chain = known_chain(context, &Subject::process(process.clone())).ok()?;
    Some(attestation(&context.settings, chain.state()?.spec))
}

/// What this node runs.
fn attestation(settings: &Settings, spec: SpecHash) -> NodeAttestation {
    let build = format!("{} {}", env!("CARGO_PKG_VERSION"), settings.commit);
    let settings = SettingsHash::of(shared_settings(settings).as_bytes());
    NodeAttestation { build, protocol: psi_replica::PROTOCOL, settings, spec }
}

/// The settings in effect that should be the same on all nodes. Names, addresses and paths differ, and secrets stay out.
fn shared_settings(settings: &Settings) -> String {
    let Settings { cluster, join, end_after, replication, full_mesh_max, gossip_interval, phi_threshold, .. } =
        settings;
    let Settings { dead_node_grace, snapshot_interval, body_bytes_max, calls_per_connection_max, .. } = settings;
    let Settings { connections_max, streams_max, capacity, .. } = settings;
    format!(
        "{cluster} {join:?} {end_after:?} {replication} {full_mesh_max} {gossip_interval:?} {phi_threshold} \
         {dead_node_grace:?} {snapshot_interval:?} {body_bytes_max} {calls_per_connection_max} {connections_max} \
         {streams_max} {capacity:?}"
    )
}

/// What live nodes attest, this one among them; `None` for one that attests nothing in time.
pub(crate) async fn attested_nodes(context: &NodeContext, process: &Name) -> BTreeMap<NodeId, Option<NodeAttestation>> {
    let asked = live_others(context, None).into_iter().map(|node| async move {
        let request = FetchRequest {
            kind: FetchKind::Attestation.into(),
            process: process.to_string(),
            ..FetchRequest::default()
        };
        let bytes = fetch(context, &node, request).await;
        let attested = bytes.and_then(|bytes| Baseline::from_bytes(&bytes).ok()).and_then(|attested| attested.node);
        (node, attested)
    });
    let mut nodes: BTreeMap<_, _> = futures_util::future::join_all(asked).await.into_iter().collect();
    nodes.insert(context.settings.node.clone(), own_attestation(context, process));
    nodes
}
