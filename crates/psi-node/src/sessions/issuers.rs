//! Asks the run that issued a token for its frontier.
//!
//! A token that leaves origins out may not be provable here (see `psi_replica`'s module on sessions): with more than
//! forty runs that write all the time, it hardly ever is. The run that issued it is often still live. Its frontier
//! now covers its frontier then, so a replica that covers the one has reached the other. Gossip says which node the
//! run belongs to; an answer that names another run proves nothing.
//!
//! Concurrent calls share an answer, if it was requested after they came.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use psi_api::v1::{GetFrontierRequest, cluster_service_client::ClusterServiceClient};
use psi_replica::{Frontier, NameHash, NodeId, Origin, Token, Version};
use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    time::Instant,
};
use tonic::transport::{Channel, Endpoint};
use tracing::debug;

use crate::{cluster::members::Member, node::identity::Identity};

/// A node that does not answer in this time is asked again.
const ANSWER: Duration = Duration::from_secs(2);
/// Pause until a node that failed to answer, or that gossip does not know, is looked for again.
const AGAIN: Duration = Duration::from_millis(250);
/// Largest answer: a hundred thousand origins.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The frontiers that other nodes answered with.
#[derive(Default)]
pub(crate) struct Issuers {
    by_node: Mutex<BTreeMap<NodeId, Arc<AsyncMutex<IssuerConnection>>>>,
}

/// The latest answer of one node, and the channel to it.
#[derive(Default)]
struct IssuerConnection {
    channel: Option<(SocketAddr, Channel)>,
    answer: Option<IssuerAnswer>,
}

#[derive(Clone)]
struct IssuerAnswer {
    run: Origin,
    /// It holds at least this since then.
    asked_at: Instant,
    frontier: Arc<Frontier>,
}

impl Issuers {
    /// The frontier of the run that issued the token, at some moment after `since`. Resolves once that run has
    /// answered, which may be never.
    pub(crate) async fn issuer_frontier(
        &self,
        (identity, members): (&Arc<Identity>, &watch::Sender<Vec<Member>>),
        token: &Token,
        since: Instant,
    ) -> Arc<Frontier> {
        loop {
            let issuer = issuer(&members.borrow(), token);
            if let Some((run, address)) = issuer
                && let Some(frontier) = self.ask(identity, (&run, address), since).await
            {
                return frontier;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn ask(
        &self,
        identity: &Arc<Identity>,
        (run, address): (&Origin, SocketAddr),
        since: Instant,
    ) -> Option<Arc<Frontier>> {
        let connection = {
            let mut by_node = self.by_node.lock().unwrap_or_else(PoisonError::into_inner);
            by_node.entry(run.node.clone()).or_default().clone()
        };
        let mut connection = connection.lock().await;
        if let Some(answer) = connection.answer.as_ref().filter(|answer| answer.run == *run && answer.asked_at >= since)
        {
            return Some(answer.frontier.clone());
        }
        let channel = match &connection.channel {
            Some((known, channel)) if *known == address => channel.clone(),
            _ => {
                let set = |endpoint: Endpoint| endpoint.connect_timeout(ANSWER).timeout(ANSWER);
                let channel = identity.dial_lazily(address, Some(&run.node), set).ok()?;
                connection.channel = Some((address, channel.clone()));
                channel
            }
        };
        let asked_at = Instant::now();
        let frontier = Arc::new(frontier_of(run, channel).await?);
        connection.answer = Some(IssuerAnswer { run: run.clone(), asked_at, frontier: frontier.clone() });
        Some(frontier)
    }
}

/// The live run that issued the token, and its address.
fn issuer(members: &[Member], token: &Token) -> Option<(Origin, SocketAddr)> {
    let issuer = token.issuer()?;
    members.iter().filter(|member| member.live).find_map(|member| {
        let run = Origin { node: member.node.clone(), incarnation: member.incarnation? };
        (NameHash::of_origin(&run) == issuer).then_some((run, member.grpc?))
    })
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
    // A position that can't be read must not be skipped.
    answer.origins.into_iter().map(position).collect()
}
