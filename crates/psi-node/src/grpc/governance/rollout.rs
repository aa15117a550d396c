//! `RolloutService`: see `proto/psi/v1/rollout.proto` for what each call means.

use std::pin::Pin;

use futures_util::Stream;
use psi_api::v1;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::calls::ops::Ops;

pub(in crate::grpc) struct RolloutDesk {
    pub(in crate::grpc) ops: Ops,
}

impl RolloutDesk {
    fn ops<T>(&self, request: &Request<T>) -> Ops {
        self.ops.called_by(request.extensions())
    }
}

#[tonic::async_trait]
impl v1::rollout_service_server::RolloutService for RolloutDesk {
    type WatchEventsStream = Pin<Box<dyn Stream<Item = Result<v1::ModelEvent, Status>> + Send>>;

    async fn set_stage(&self, request: Request<v1::SetStageRequest>) -> Result<Response<v1::ModelState>, Status> {
        Ok(Response::new(self.ops(&request).set_stage(request.into_inner()).await?))
    }

    async fn get_model(&self, request: Request<v1::GetModelRequest>) -> Result<Response<v1::ModelState>, Status> {
        Ok(Response::new(self.ops(&request).model(&request.into_inner().model)?))
    }

    async fn start_rollout(&self, request: Request<v1::StartRolloutRequest>) -> Result<Response<v1::Rollout>, Status> {
        Ok(Response::new(self.ops(&request).start_rollout(request.into_inner()).await?))
    }

    async fn change_rollout(
        &self,
        request: Request<v1::ChangeRolloutRequest>,
    ) -> Result<Response<v1::Rollout>, Status> {
        Ok(Response::new(self.ops(&request).change_rollout(request.into_inner()).await?))
    }

    async fn get_rollout(&self, request: Request<v1::GetRolloutRequest>) -> Result<Response<v1::Rollout>, Status> {
        let v1::GetRolloutRequest { model, rollout } = request.get_ref();
        Ok(Response::new(self.ops(&request).rollout(model, rollout)?))
    }

    async fn list_rollouts(
        &self,
        request: Request<v1::ListRolloutsRequest>,
    ) -> Result<Response<v1::ListRolloutsResponse>, Status> {
        let v1::ListRolloutsRequest { model, status } = request.get_ref();
        Ok(Response::new(self.ops(&request).rollouts(model, status)?))
    }
    async fn set_remediation(
        &self,
        request: Request<v1::SetRemediationRequest>,
    ) -> Result<Response<v1::Remediation>, Status> {
        Ok(Response::new(self.ops(&request).set_remediation(request.into_inner()).await?))
    }

    async fn get_remediation(
        &self,
        request: Request<v1::GetRemediationRequest>,
    ) -> Result<Response<v1::Remediation>, Status> {
        Ok(Response::new(self.ops(&request).remediation(&request.get_ref().model)?))
    }

    async fn list_plans(
        &self,
        request: Request<v1::ListPlansRequest>,
    ) -> Result<Response<v1::ListPlansResponse>, Status> {
        let v1::ListPlansRequest { model, status } = request.get_ref();
        Ok(Response::new(self.ops(&request).plans(model, status)?))
    }

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let events = self.ops(&request).watch_models(request.into_inner())?;
        Ok(Response::new(Box::pin(ReceiverStream::new(events))))
    }
}
