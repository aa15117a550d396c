//! `LedgerService`: see `proto/psi/v1/ledger.proto` for what each call means.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use psi_api::v1;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::calls::{governance::ledger::RecordQuery, ops::Ops};

pub(in crate::grpc) struct LedgerReports {
    pub(in crate::grpc) ops: Ops,
}

#[tonic::async_trait]
impl v1::ledger_service_server::LedgerService for LedgerReports {
    type ExportStream = Pin<Box<dyn Stream<Item = Result<v1::ExportChunk, Status>> + Send>>;

    async fn list_records(
        &self,
        request: Request<v1::ListRecordsRequest>,
    ) -> Result<Response<v1::ListRecordsResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let v1::ListRecordsRequest { page_size, page_token, node, kind } = request.into_inner();
        let query = RecordQuery { size: page_size.into(), token: page_token, node, kind };
        Ok(Response::new(ops.ledger_records(query).await?))
    }

    async fn get_record(&self, request: Request<v1::GetRecordRequest>) -> Result<Response<v1::LedgerRecord>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let v1::GetRecordRequest { log, index } = request.into_inner();
        Ok(Response::new(ops.ledger_record(&log, index).await?))
    }

    async fn list_heads(
        &self,
        request: Request<v1::ListHeadsRequest>,
    ) -> Result<Response<v1::ListHeadsResponse>, Status> {
        Ok(Response::new(self.ops.called_by(request.extensions()).ledger_heads().await?))
    }

    async fn prove_record(
        &self,
        request: Request<v1::GetRecordRequest>,
    ) -> Result<Response<v1::ProveRecordResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let v1::GetRecordRequest { log, index } = request.into_inner();
        Ok(Response::new(v1::ProveRecordResponse { text: ops.prove_record(&log, index).await? }))
    }

    async fn prove_growth(
        &self,
        request: Request<v1::ProveGrowthRequest>,
    ) -> Result<Response<v1::ProveGrowthResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let v1::ProveGrowthRequest { log, older, newer } = request.into_inner();
        Ok(Response::new(v1::ProveGrowthResponse { hashes: ops.prove_growth(&log, older, newer).await? }))
    }

    async fn read_leaves(
        &self,
        request: Request<v1::ReadLeavesRequest>,
    ) -> Result<Response<v1::ReadLeavesResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let v1::ReadLeavesRequest { log, first, size } = request.into_inner();
        Ok(Response::new(ops.read_leaves(&log, first, size).await?))
    }

    async fn export(&self, request: Request<v1::ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let chunks = ReceiverStream::new(ops.export_ledger()?);
        let chunks = chunks.map(|chunk| Ok(v1::ExportChunk { data: chunk? }));
        Ok(Response::new(Box::pin(chunks)))
    }
}
