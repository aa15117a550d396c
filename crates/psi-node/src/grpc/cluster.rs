//! `ClusterService`: the cluster as this node sees it. A call for frontier or digest flushes first, so the answer
//! includes every write.

use psi_api::v1;
use psi_replica::Version;
use tonic::{Request, Response, Status};

use crate::{calls::ops::Ops, cluster::claim::NameClaim};

pub(super) struct ClusterView {
    pub(super) ops: Ops,
}

#[tonic::async_trait]
impl v1::cluster_service_server::ClusterService for ClusterView {
    async fn list_members(
        &self,
        _: Request<v1::ListMembersRequest>,
    ) -> Result<Response<v1::ListMembersResponse>, Status> {
        Ok(Response::new(self.ops.members()))
    }

    async fn forget_node(
        &self,
        request: Request<v1::ForgetNodeRequest>,
    ) -> Result<Response<v1::ForgetNodeResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let v1::ForgetNodeRequest { node, dry_run } = request.into_inner();
        let runs = ops.forget_node(&node, dry_run)?;
        Ok(Response::new(v1::ForgetNodeResponse { node: ops.context.settings.node.to_string(), runs }))
    }

    async fn get_frontier(
        &self,
        _: Request<v1::GetFrontierRequest>,
    ) -> Result<Response<v1::GetFrontierResponse>, Status> {
        let (incarnation, origins) = self.ops.context.write(|replica, _| {
            replica.flush();
            let position = |(origin, version): (&psi_replica::Origin, Version)| v1::OriginPosition {
                node: origin.node.to_string(),
                incarnation: origin.incarnation,
                version: version.0,
            };
            let incarnation = replica.origin().map_or(0, |own| own.incarnation);
            (incarnation, replica.frontier().iter().map(position).collect())
        });
        let node = self.ops.context.settings.node.to_string();
        Ok(Response::new(v1::GetFrontierResponse { node, origins, incarnation }))
    }

    async fn get_digest(&self, _: Request<v1::GetDigestRequest>) -> Result<Response<v1::Agreement>, Status> {
        let (frontier, digest) = self.ops.context.write(|replica, _| {
            replica.flush();
            (replica.frontier().hash(), replica.digest())
        });
        Ok(Response::new(psi_api::agreement(frontier, digest)))
    }

    async fn get_clock(&self, _: Request<v1::GetClockRequest>) -> Result<Response<v1::Clock>, Status> {
        Ok(Response::new(self.ops.clock()))
    }

    async fn accept_clock(&self, request: Request<v1::AcceptClockRequest>) -> Result<Response<v1::Clock>, Status> {
        let ops = self.ops.called_by(request.extensions());
        Ok(Response::new(ops.accept_clock(request.into_inner().hybrid_ms)))
    }

    /// Takes no lock: it costs what every call costs, and a busy or joining node answers it too.
    async fn ping(&self, request: Request<v1::PingRequest>) -> Result<Response<v1::PingResponse>, Status> {
        Ok(Response::new(v1::PingResponse { payload: request.into_inner().payload }))
    }

    /// Takes no lock either.
    async fn identify(&self, _: Request<v1::IdentifyRequest>) -> Result<Response<v1::IdentifyResponse>, Status> {
        let context = &self.ops.context;
        let claim = match context.claim.now() {
            _ if context.leaving.is_cancelled() => v1::NameClaim::Leaving,
            NameClaim::Open => v1::NameClaim::Open,
            NameClaim::Waits { .. } => v1::NameClaim::Waits,
            NameClaim::Held => v1::NameClaim::Held,
        };
        Ok(Response::new(v1::IdentifyResponse {
            node: context.settings.node.to_string(),
            cluster: context.settings.cluster.to_string(),
            began_us: context.began_us,
            claim: claim.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, mpsc},
        thread::{self, JoinHandle},
        time::Duration,
    };

    use psi_api::v1::cluster_service_server::ClusterService;
    use psi_replica::NodeId;

    use super::*;
    use crate::{
        governance::ledger::store::LedgerStore,
        node::{context::NodeContext, identity::Identity},
        settings::{Addresses, Settings},
    };

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
        let context = {
            let addresses = Addresses { grpc: nowhere, http: nowhere, gossip: nowhere };
            Arc::new(NodeContext::new(settings, Identity::without_key(), addresses, (None, LedgerStore::in_memory())))
        };
        let view = ClusterView { ops: Ops::new(context.clone()) };
        let (release, holder) = hold(context);
        let pinged = tokio::spawn(async move { view.ping(Request::new(v1::PingRequest::default())).await });
        let answered = tokio::time::timeout(Duration::from_secs(5), pinged).await;
        drop(release);
        holder.join().expect("the holder lets go after its message");
        assert!(answered.expect("it waited for the replica").expect("it ended").is_ok());
    }
}
