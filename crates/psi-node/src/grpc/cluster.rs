//! `ClusterService`: the cluster as this node sees it. A call for frontier or digest flushes first, so the answer
//! includes every write.

use std::{collections::BTreeMap, sync::Arc};

use psi_api::v1;
use psi_replica::{NodeId, Version};
use tonic::{Request, Response, Status};

use crate::{
    calls::readiness::is_writable,
    cluster::members::Member,
    links::lag::{Lag, lags},
    metrics::Traffic,
    node::context::NodeContext,
};

pub(super) struct ClusterView {
    pub(super) context: Arc<NodeContext>,
}

impl ClusterView {
    /// A node knows more of itself than it has published.
    fn update_own(&self, own: &mut Member) {
        self.context.write(|replica, _| {
            replica.flush();
            own.ready = is_writable(replica);
            own.agreement = Some((replica.frontier().hash(), replica.digest()));
        });
    }

    fn state(member: &Member) -> v1::MemberState {
        match (member.live, member.left) {
            (true, _) => v1::MemberState::Live,
            (false, true) => v1::MemberState::Left,
            (false, false) => v1::MemberState::Dead,
        }
    }

    fn member(&self, member: &Member, lags: &BTreeMap<NodeId, Lag>) -> v1::Member {
        let Member {
            node,
            // The incarnation distinguishes runs of one node.
            generation: _,
            live: _,
            left: _,
            gossip,
            grpc,
            http,
            ready,
            incarnation: _,
            agreement,
        } = member;
        let is_own = *node == self.context.settings.node;
        let lag = lags.get(node).copied();
        let linked = is_own || lag.is_some();
        let Lag { versions, ms, clock_offset_ms } = lag.unwrap_or_default();
        v1::Member {
            node: node.to_string(),
            state: Self::state(member).into(),
            grpc_address: grpc.map(|address| address.to_string()).unwrap_or_default(),
            http_address: http.map(|address| address.to_string()).unwrap_or_default(),
            gossip_address: gossip.to_string(),
            agreement: agreement.map(|(frontier, digest)| psi_api::agreement(frontier, digest)),
            linked,
            lag_versions: versions,
            clock_offset_ms: clock_offset_ms.unwrap_or(0),
            ready: *ready,
            lag_ms: ms,
            traffic: Some(traffic(self.context.metrics.peers.traffic(node.as_str()))),
        }
    }
}

fn traffic(from: Traffic) -> v1::LinkTraffic {
    let Traffic { bytes_sent, bytes_received, entries_sent, entries_received, cut, resent, refused } = from;
    v1::LinkTraffic {
        bytes_sent,
        bytes_received,
        entries_sent,
        entries_received,
        deltas_cut: cut,
        deltas_refused: refused,
        resent,
    }
}

#[tonic::async_trait]
impl v1::cluster_service_server::ClusterService for ClusterView {
    async fn list_members(
        &self,
        _: Request<v1::ListMembersRequest>,
    ) -> Result<Response<v1::ListMembersResponse>, Status> {
        let lags = self.context.read(|replica| {
            self.context.metrics.peers.observe(replica);
            lags(replica)
        });
        let mut members: Vec<Member> = self.context.members.borrow().clone();
        for own in members.iter_mut().filter(|member| member.node == self.context.settings.node) {
            self.update_own(own);
        }
        let members = members.iter().map(|member| self.member(member, &lags)).collect();
        Ok(Response::new(v1::ListMembersResponse {
            node: self.context.settings.node.to_string(),
            cluster: self.context.settings.cluster.to_string(),
            members,
        }))
    }

    async fn get_frontier(
        &self,
        _: Request<v1::GetFrontierRequest>,
    ) -> Result<Response<v1::GetFrontierResponse>, Status> {
        let (incarnation, origins) = self.context.write(|replica, _| {
            replica.flush();
            let position = |(origin, version): (&psi_replica::Origin, Version)| v1::OriginPosition {
                node: origin.node.to_string(),
                incarnation: origin.incarnation,
                version: version.0,
            };
            let incarnation = replica.origin().map_or(0, |own| own.incarnation);
            (incarnation, replica.frontier().iter().map(position).collect())
        });
        let node = self.context.settings.node.to_string();
        Ok(Response::new(v1::GetFrontierResponse { node, origins, incarnation }))
    }

    async fn get_digest(&self, _: Request<v1::GetDigestRequest>) -> Result<Response<v1::Agreement>, Status> {
        let (frontier, digest) = self.context.write(|replica, _| {
            replica.flush();
            (replica.frontier().hash(), replica.digest())
        });
        Ok(Response::new(psi_api::agreement(frontier, digest)))
    }

    /// Takes no lock: it costs what every call costs, and a busy or joining node answers it too.
    async fn ping(&self, _: Request<v1::PingRequest>) -> Result<Response<v1::PingResponse>, Status> {
        Ok(Response::new(v1::PingResponse {}))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc,
        thread::{self, JoinHandle},
        time::Duration,
    };

    use psi_api::v1::cluster_service_server::ClusterService;

    use super::*;
    use crate::settings::{Addresses, Settings};

    /// Holds the replica's lock until it is released.
    fn hold(context: Arc<NodeContext>) -> (mpsc::Sender<()>, JoinHandle<()>) {
        let (release, released) = mpsc::channel();
        let (has_lock, lock_held) = mpsc::channel();
        let holder = thread::spawn(move || {
            context.write(|_, _| {
                let _ = has_lock.send(());
                let _ = released.recv();
            });
        });
        lock_held.recv().expect("the replica is free");
        (release, holder)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_ping_is_answered_while_the_replica_is_at_work() {
        let settings = Settings { replication: false, ..Settings::new(NodeId::new("n").expect("a name")) };
        let nowhere = settings.grpc.listen;
        let context =
            Arc::new(NodeContext::new(settings, Addresses { grpc: nowhere, http: nowhere, gossip: nowhere }, None));
        let view = ClusterView { context: context.clone() };
        let (release, holder) = hold(context);
        let pinged = tokio::spawn(async move { view.ping(Request::new(v1::PingRequest {})).await });
        let answered = tokio::time::timeout(Duration::from_secs(5), pinged).await;
        drop(release);
        holder.join().expect("the holder lets go after its message");
        assert!(answered.expect("it waited for the replica").expect("it ended").is_ok());
    }
}
