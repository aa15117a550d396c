//! Records and proofs that this node lacks, from nodes that have them.

use std::{sync::Arc, time::Duration};

use psi_api::v1::{
    ProveGrowthRequest, ReadLeavesRequest, ReadLeavesResponse, ledger_service_client::LedgerServiceClient,
};
use psi_ledger::{LogName, TreeHash};
use tokio::time::timeout;
use tonic::transport::Channel;
use tracing::debug;

use crate::node::context::NodeContext;

/// A node that does not answer is left alone after this.
const ANSWER: Duration = Duration::from_secs(2);

/// Records that follow each other, and that the head goes on from them.
pub(super) struct RecordBatch {
    pub(super) records: Vec<Vec<u8>>,
    pub(super) proof: Vec<TreeHash>,
}

/// Clients of the live members: the node of the log first.
async fn clients(context: &Arc<NodeContext>, log: &LogName) -> Vec<LedgerServiceClient<Channel>> {
    let own = &context.settings.node;
    let mut members: Vec<_> =
        context.members.borrow().iter().filter(|member| member.live && member.node != *own).cloned().collect();
    members.sort_by_key(|member| member.node != log.run.node);
    let addresses = members.into_iter().filter_map(|member| Some((member.node, member.grpc?)));
    let dial =
        |(node, address)| context.identity.dial_lazily(address, Some(&node), |endpoint| endpoint.tcp_nodelay(true));
    addresses.filter_map(|member| dial(member).ok()).map(LedgerServiceClient::new).collect()
}

/// A proof that the log of the second number of records begins with the first, from whoever makes one.
pub(super) async fn fetch_proof(
    context: &Arc<NodeContext>,
    log: &LogName,
    (older, newer): (u64, u64),
) -> Option<Vec<TreeHash>> {
    for mut client in clients(context, log).await {
        let request = ProveGrowthRequest { log: log.to_string(), older, newer };
        match timeout(ANSWER, client.prove_growth(request)).await {
            Ok(Ok(answer)) => {
                if let Some(hashes) = TreeHash::list_from_bytes(&answer.into_inner().hashes) {
                    return Some(hashes);
                }
            }
            Ok(Err(status)) => debug!(%log, "no proof: {}", status.message()),
            Err(_) => debug!(%log, "no proof within {ANSWER:?}"),
        }
    }
    None
}

/// Records from `first` on, of those that a head of `size` covers, from whoever has them.
pub(super) async fn fetch_records(
    context: &Arc<NodeContext>,
    log: &LogName,
    first: u64,
    size: u64,
) -> Option<RecordBatch> {
    for mut client in clients(context, log).await {
        let request = ReadLeavesRequest { log: log.to_string(), first, size };
        match timeout(ANSWER, client.read_leaves(request)).await {
            Ok(Ok(answer)) => {
                let ReadLeavesResponse { leaves, hashes } = answer.into_inner();
                if let Some(proof) = TreeHash::list_from_bytes(&hashes).filter(|_| !leaves.is_empty()) {
                    return Some(RecordBatch { records: leaves, proof });
                }
            }
            Ok(Err(status)) => debug!(%log, "no records: {}", status.message()),
            Err(_) => debug!(%log, "no records within {ANSWER:?}"),
        }
    }
    None
}
