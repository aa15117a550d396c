//! Records and proofs that this node lacks, from nodes that have them.

use std::{sync::Arc, time::Duration};

use data_encoding::HEXLOWER;
use psi_api::v1::{
    self, ListHeadsRequest, ProveGrowthRequest, ReadLeavesRequest, ReadLeavesResponse,
    ledger_service_client::LedgerServiceClient,
};
use psi_ledger::{LogName, TreeHash, UnverifiedHead};
use psi_replica::NodeId;
use psi_state::LedgerHead;
use tokio::time::timeout;
use tonic::transport::Channel;
use tracing::debug;

use crate::node::context::NodeContext;

/// A node that does not answer is left alone after this.
const ANSWER: Duration = Duration::from_secs(2);
/// The heads of all runs are one answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Records that follow each other, and that the head goes on from them.
pub(super) struct RecordBatch {
    pub(super) records: Vec<Vec<u8>>,
    pub(super) proof: Vec<TreeHash>,
}

/// Clients of the live members: the one that is wanted first.
async fn clients(context: &Arc<NodeContext>, first: Option<&NodeId>) -> Vec<LedgerServiceClient<Channel>> {
    let own = &context.settings.node;
    let mut members: Vec<_> =
        context.members.borrow().iter().filter(|member| member.live && member.node != *own).cloned().collect();
    // Of the rest, not always the same one first.
    let turn = usize::try_from(rand::random::<u32>()).unwrap_or(0) % members.len().max(1);
    members.rotate_left(turn);
    members.sort_by_key(|member| Some(&member.node) != first);
    let addresses = members.into_iter().filter_map(|member| Some((member.node, member.grpc?)));
    let dial =
        |(node, address)| context.identity.dial_lazily(address, Some(&node), |endpoint| endpoint.tcp_nodelay(true));
    addresses
        .filter_map(|member| dial(member).ok())
        .map(|channel| LedgerServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX))
        .collect()
}

/// The heads that another node believes, as state would show them. It holds ledgers of runs that ended long ago, of which
/// state says nothing any more.
pub(super) async fn fetch_heads(context: &Arc<NodeContext>) -> Option<Vec<LedgerHead>> {
    for mut client in clients(context, None).await {
        match timeout(ANSWER, client.list_heads(ListHeadsRequest {})).await {
            Ok(Ok(answer)) => {
                return Some(answer.into_inner().heads.into_iter().filter_map(shown_head).collect());
            }
            Ok(Err(status)) => debug!("no heads: {}", status.message()),
            Err(_) => debug!("no heads within {ANSWER:?}"),
        }
    }
    None
}

fn shown_head(head: v1::LedgerHead) -> Option<LedgerHead> {
    let parsed = UnverifiedHead::parse(&head.note).ok()?;
    let head_of = parsed.unverified();
    Some(LedgerHead {
        clock: head_of.clock,
        author: head_of.log.run.clone(),
        public_key: HEXLOWER.decode(head.public_key.as_bytes()).ok()?.into(),
        note: head.note,
        range: Vec::new().into(),
        voucher: head.voucher.into(),
        voter_key: Vec::new().into(),
    })
}

/// A proof that the log of the second number of records begins with the first, from the first node that makes one.
pub(super) async fn fetch_proof(
    context: &Arc<NodeContext>,
    log: &LogName,
    (older, newer): (u64, u64),
) -> Option<Vec<TreeHash>> {
    for mut client in clients(context, Some(&log.run.node)).await {
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

/// Records from `first` on, of those that a head of `size` covers, from the first node that has them.
pub(super) async fn fetch_records(
    context: &Arc<NodeContext>,
    log: &LogName,
    first: u64,
    size: u64,
) -> Option<RecordBatch> {
    for mut client in clients(context, Some(&log.run.node)).await {
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
