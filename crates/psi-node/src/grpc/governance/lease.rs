//! `LeaseService` and `QuorumService`: see `proto/psi/v1/lease.proto` for what each call means.

use std::{pin::Pin, time::Duration};

use futures_util::Stream;
use psi_api::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    calls::{governance::leases::LeaseRequest, ops::Ops},
    governance::quorum::voters,
};

/// How often a watched lease is looked at: this node learns of others' steps by replicated state.
const LOOK: Duration = Duration::from_millis(100);

pub(in crate::grpc) struct LeaseDesk {
    pub(in crate::grpc) ops: Ops,
}

#[tonic::async_trait]
impl v1::lease_service_server::LeaseService for LeaseDesk {
    type WatchLeaseStream = Pin<Box<dyn Stream<Item = Result<v1::Lease, Status>> + Send>>;

    async fn acquire_lease(
        &self,
        request: Request<v1::AcquireLeaseRequest>,
    ) -> Result<Response<v1::LeaseGrant>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let v1::AcquireLeaseRequest { name, client, duration_ms, wait_ms, deadline_ms } = request.into_inner();
        let way_out = "ask again then, or wait for it: `psi-field lease acquire --wait SECONDS`, wait_ms";
        let request = LeaseRequest { name, client, duration_ms, wait_ms, deadline_ms, way_out };
        Ok(Response::new(ops.acquire_lease(request).await?))
    }

    async fn release_lease(&self, request: Request<v1::ReleaseLeaseRequest>) -> Result<Response<v1::Lease>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let v1::ReleaseLeaseRequest { name, client, deadline_ms } = request.into_inner();
        Ok(Response::new(ops.release_lease(&name, &client, deadline_ms).await?))
    }

    async fn get_lease(&self, request: Request<v1::GetLeaseRequest>) -> Result<Response<v1::Lease>, Status> {
        let ops = self.ops.called_by(request.extensions());
        Ok(Response::new(ops.lease(&request.into_inner().name).await?))
    }

    async fn watch_lease(
        &self,
        request: Request<v1::GetLeaseRequest>,
    ) -> Result<Response<Self::WatchLeaseStream>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let slot = ops.stream_slot()?;
        let name = request.into_inner().name;
        let mut last = ops.lease(&name).await?;
        let (leases, watched) = mpsc::channel(4);
        tokio::spawn(async move {
            let _slot = slot;
            let mut is_sent = leases.send(Ok(last.clone())).await.is_ok();
            while is_sent && !ops.context.stop.is_cancelled() {
                tokio::time::sleep(LOOK).await;
                is_sent = match ops.lease(&name).await {
                    Ok(lease) if lease == last => !leases.is_closed(),
                    Ok(lease) => {
                        last = lease.clone();
                        leases.send(Ok(lease)).await.is_ok()
                    }
                    Err(cause) => {
                        let _ = leases.send(Err(cause.into())).await;
                        false
                    }
                };
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(watched))))
    }

    async fn set_voters(&self, request: Request<v1::SetVotersRequest>) -> Result<Response<v1::Voters>, Status> {
        let ops = self.ops.called_by(request.extensions());
        Ok(Response::new(ops.set_voters(&request.into_inner().nodes)?))
    }

    async fn get_voters(&self, request: Request<v1::GetVotersRequest>) -> Result<Response<v1::Voters>, Status> {
        Ok(Response::new(self.ops.called_by(request.extensions()).voters()))
    }

    async fn get_turn(&self, request: Request<v1::GetTurnRequest>) -> Result<Response<v1::Turn>, Status> {
        let ops = self.ops.called_by(request.extensions());
        Ok(Response::new(ops.turn(&request.into_inner().name)?))
    }
}

pub(in crate::grpc) struct QuorumVoter {
    pub(in crate::grpc) ops: Ops,
}

#[tonic::async_trait]
impl v1::quorum_service_server::QuorumService for QuorumVoter {
    async fn ask(&self, request: Request<v1::AskRequest>) -> Result<Response<v1::AskResponse>, Status> {
        let v1::AskRequest { request, transition } = request.into_inner();
        let response = voters::answer(&self.ops.context, &request, transition).await?;
        Ok(Response::new(v1::AskResponse { response }))
    }

    async fn fetch(&self, request: Request<v1::FetchRequest>) -> Result<Response<v1::FetchResponse>, Status> {
        Ok(Response::new(v1::FetchResponse { bytes: self.ops.fetch(request.into_inner()).await? }))
    }

    async fn keep(&self, request: Request<v1::KeepRequest>) -> Result<Response<v1::KeepResponse>, Status> {
        self.ops.keep(request.into_inner()).await?;
        Ok(Response::new(v1::KeepResponse {}))
    }
}
