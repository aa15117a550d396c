//! `ProcessService`: see `proto/psi/v1/process.proto` for what each call means.

use psi_api::v1;
use tonic::{Request, Response, Status};

use crate::calls::ops::Ops;

pub(in crate::grpc) struct ProcessDesk {
    pub(in crate::grpc) ops: Ops,
}

impl ProcessDesk {
    fn ops<T>(&self, request: &Request<T>) -> Ops {
        self.ops.called_by(request.extensions())
    }
}

#[tonic::async_trait]
impl v1::process_service_server::ProcessService for ProcessDesk {
    async fn apply_spec(&self, request: Request<v1::ApplySpecRequest>) -> Result<Response<v1::ProcessState>, Status> {
        Ok(Response::new(self.ops(&request).apply_spec(request.into_inner()).await?))
    }

    async fn advance_task(
        &self,
        request: Request<v1::AdvanceTaskRequest>,
    ) -> Result<Response<v1::AdvanceTaskResponse>, Status> {
        Ok(Response::new(self.ops(&request).advance_task(request.into_inner()).await?))
    }

    async fn abort_process(
        &self,
        request: Request<v1::AbortProcessRequest>,
    ) -> Result<Response<v1::ProcessState>, Status> {
        Ok(Response::new(self.ops(&request).abort_process(request.into_inner()).await?))
    }

    async fn switch_mode(&self, request: Request<v1::SwitchModeRequest>) -> Result<Response<v1::ProcessState>, Status> {
        Ok(Response::new(self.ops(&request).switch_mode(request.into_inner()).await?))
    }

    async fn set_process_baseline(
        &self,
        request: Request<v1::SetProcessBaselineRequest>,
    ) -> Result<Response<v1::ProcessState>, Status> {
        Ok(Response::new(self.ops(&request).set_process_baseline(request.into_inner()).await?))
    }

    async fn switch_emergency(
        &self,
        request: Request<v1::SwitchEmergencyRequest>,
    ) -> Result<Response<v1::EmergencyState>, Status> {
        Ok(Response::new(self.ops(&request).switch_emergency(request.into_inner()).await?))
    }

    async fn get_emergency(
        &self,
        request: Request<v1::GetEmergencyRequest>,
    ) -> Result<Response<v1::EmergencyState>, Status> {
        Ok(Response::new(self.ops(&request).emergency_state()))
    }

    async fn add_evidence(
        &self,
        request: Request<v1::AddEvidenceRequest>,
    ) -> Result<Response<v1::EvidenceList>, Status> {
        Ok(Response::new(self.ops(&request).add_evidence(request.into_inner()).await?))
    }

    async fn get_process(&self, request: Request<v1::GetProcessRequest>) -> Result<Response<v1::ProcessState>, Status> {
        Ok(Response::new(self.ops(&request).process(request.into_inner()).await?))
    }

    async fn list_processes(
        &self,
        request: Request<v1::ListProcessesRequest>,
    ) -> Result<Response<v1::ListProcessesResponse>, Status> {
        Ok(Response::new(self.ops(&request).processes(request.into_inner())?))
    }

    async fn list_transitions(
        &self,
        request: Request<v1::ListTransitionsRequest>,
    ) -> Result<Response<v1::ListTransitionsResponse>, Status> {
        Ok(Response::new(self.ops(&request).transitions(request.into_inner()).await?))
    }
}
