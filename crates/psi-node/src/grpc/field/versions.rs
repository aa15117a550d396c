//! `VersionService`: see `proto/psi/v1/version.proto` for what each call means.

use psi_api::v1;
use tonic::{Request, Response, Status};

use super::{FieldService, transport_timeout};
use crate::calls::reads::versions::VersionList;

#[tonic::async_trait]
impl v1::version_service_server::VersionService for FieldService {
    async fn list_versions(
        &self,
        request: Request<v1::ListVersionsRequest>,
    ) -> Result<Response<v1::ListVersionsResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let transport_timeout = transport_timeout(request.metadata());
        let v1::ListVersionsRequest { model, after, deadline_ms } = request.into_inner();
        let options = self.read_options(after, deadline_ms, transport_timeout)?;
        let VersionList { model, versions, stages, token } = ops.versions(&model, &options).await?;
        let versions = versions
            .iter()
            .map(|(version, view)| psi_api::version(version, view, stages.get(version).copied()))
            .collect();
        let (model, node) = (model.to_string(), self.node().to_owned());
        Ok(Response::new(v1::ListVersionsResponse { model, versions, node, token }))
    }
}
