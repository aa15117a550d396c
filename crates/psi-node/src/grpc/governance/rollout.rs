//! `RolloutService`: see `proto/psi/v1/rollout.proto` for what each call means.

use psi_api::v1;
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
}
