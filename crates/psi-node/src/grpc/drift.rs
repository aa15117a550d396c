//! `DriftService`: see `proto/psi/v1/drift.proto` for what each call means.

use psi_api::v1;
use psi_state::FieldView;
use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::field::transport_timeout;
use crate::{
    calls::{fields::drift::BaselineCall, ops::Ops},
    sessions::options::{CallOptions, RequestedOptions},
};

pub(super) struct DriftReports {
    pub(super) ops: Ops,
}

impl DriftReports {
    fn options(&self, after: String, deadline_ms: u32, metadata: &MetadataMap) -> Result<CallOptions, Status> {
        let (deadline_ms, transport_timeout) = (deadline_ms.into(), transport_timeout(metadata));
        Ok(self.ops.options(RequestedOptions { after, deadline_ms, transport_timeout, ..Default::default() })?)
    }

    fn report(&self, (view, token): (FieldView, String)) -> Response<v1::DriftReport> {
        Response::new(psi_api::drift_report(&view, self.ops.context.settings.node.as_str(), token))
    }
}

#[tonic::async_trait]
impl v1::drift_service_server::DriftService for DriftReports {
    async fn get_drift(&self, request: Request<v1::GetDriftRequest>) -> Result<Response<v1::DriftReport>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let (metadata, _, v1::GetDriftRequest { field, after, deadline_ms }) = request.into_parts();
        let options = self.options(after, deadline_ms, &metadata)?;
        Ok(self.report(ops.state_after(&field, &options).await?))
    }

    async fn list_drift(
        &self,
        request: Request<v1::ListDriftRequest>,
    ) -> Result<Response<v1::ListDriftResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let (views, token) = ops.states()?;
        let node = ops.context.settings.node.as_str();
        let reports = views.iter().map(|view| psi_api::drift_report(view, node, token.clone())).collect();
        Ok(Response::new(v1::ListDriftResponse { reports }))
    }

    async fn set_baseline(
        &self,
        request: Request<v1::SetBaselineRequest>,
    ) -> Result<Response<v1::DriftReport>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let (metadata, _, request) = request.into_parts();
        let v1::SetBaselineRequest { field, version, source, set_by, window_seconds, after, deadline_ms } = request;
        ops.record_object(&field);
        let options = self.options(after, deadline_ms, &metadata)?;
        let call = BaselineCall { version, source, set_by, window_seconds };
        Ok(self.report(ops.set_baseline(&field, call, &options).await?))
    }

    async fn clear_baseline(
        &self,
        request: Request<v1::ClearBaselineRequest>,
    ) -> Result<Response<v1::DriftReport>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let (metadata, _, v1::ClearBaselineRequest { field, set_by, after, deadline_ms }) = request.into_parts();
        ops.record_object(&field);
        let options = self.options(after, deadline_ms, &metadata)?;
        Ok(self.report(ops.clear_baseline(&field, set_by, &options).await?))
    }
}
