//! Asks whoever gave a token what it holds.
//!
//! A token that leaves origins out may not be provable here (see `psi_replica`'s module on sessions): where more than
//! forty runs write all the time, it hardly ever is. The run that gave it is often still there. What that run holds
//! now is at least what it held then, so a replica that covers the one has reached the other. Gossip says which
//! node the run is of; the answer has to name the same run, or it proves nothing.
//!
//! Calls that ask the same node at the same time share an answer, if it was asked for after they came.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use psi_api::v1::{GetFrontierRequest, cluster_service_client::ClusterServiceClient};
use psi_replica::{Frontier, NameHash, NodeId, Origin, Token, Version};
use tokio::{sync::Mutex as AsyncMutex, time::Instant};
use tonic::transport::{Channel, Endpoint};
use tracing::debug;

use crate::shared::Shared;

/// A node that does not answer in this time is asked again.
const ANSWER: Duration = Duration::from_secs(2);
/// Pause until a node that failed to answer, or that gossip does not know, is looked for again.
const AGAIN: Duration = Duration::from_millis(250);
/// Largest answer: that of a hundred thousand origins.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What other nodes said that they hold.
#[derive(Default)]
pub(crate) struct Issuers {
    by_node: Mutex<BTreeMap<NodeId, Arc<AsyncMutex<Asked>>>>,
}

/// What one node said, and how it is reached.
#[derive(Default)]
struct Asked {
    channel: Option<(SocketAddr, Channel)>,
    answer: Option<Answer>,
}

#[derive(Clone)]
struct Answer {
    run: Origin,
    /// It holds at least this since then.
    asked_at: Instant,
    held: Arc<Frontier>,
}

/// What the run that gave the token holds, as of some moment after `since`. Resolves once that run has answered, which
/// may be never.
pub(crate) async fn held_by_issuer(shared: &Shared, token: &Token, since: Instant) -> Arc<Frontier> {
    loop {
        if let Some((run, address)) = issuer(shared, token)
            && let Some(held) = ask(shared, &run, address, since).await
        {
            return held;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The live run that gave the token, and where it is reached.
fn issuer(shared: &Shared, token: &Token) -> Option<(Origin, SocketAddr)> {
    let issuer = token.issuer()?;
    shared.members.borrow().iter().filter(|member| member.live).find_map(|member| {
        let run = Origin { node: member.node.clone(), incarnation: member.incarnation? };
        (NameHash::of_origin(&run) == issuer).then_some((run, member.grpc?))
    })
}

async fn ask(shared: &Shared, run: &Origin, address: SocketAddr, since: Instant) -> Option<Arc<Frontier>> {
    let asked = {
        let mut by_node = shared.issuers.by_node.lock().unwrap_or_else(PoisonError::into_inner);
        by_node.entry(run.node.clone()).or_default().clone()
    };
    let mut asked = asked.lock().await;
    if let Some(answer) = asked.answer.as_ref().filter(|answer| answer.run == *run && answer.asked_at >= since) {
        return Some(answer.held.clone());
    }
    let channel = match &asked.channel {
        Some((known, channel)) if *known == address => channel.clone(),
        _ => {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).ok()?;
            let channel = endpoint.connect_timeout(ANSWER).timeout(ANSWER).connect_lazy();
            asked.channel = Some((address, channel.clone()));
            channel
        }
    };
    let asked_at = Instant::now();
    let held = Arc::new(frontier_of(run, channel).await?);
    asked.answer = Some(Answer { run: run.clone(), asked_at, held: held.clone() });
    Some(held)
}

async fn frontier_of(run: &Origin, channel: Channel) -> Option<Frontier> {
    let mut client = ClusterServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = match client.get_frontier(GetFrontierRequest {}).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            debug!(%run, "does not say what it holds: {status}");
            return None;
        }
    };
    if answer.node != run.node.as_str() || answer.incarnation != run.incarnation {
        debug!(%run, node = answer.node, incarnation = answer.incarnation, "another run answers");
        return None;
    }
    let position = |position: psi_api::v1::OriginPosition| {
        let origin = Origin { node: NodeId::new(&position.node).ok()?, incarnation: position.incarnation };
        Some((origin, Version(position.version)))
    };
    // One that can't be understood must not be passed over.
    answer.origins.into_iter().map(position).collect()
}
