//! `PsiFieldService`: see `proto/psi/v1/field.proto` for what each call means.

mod versions;

use std::time::Duration;

use psi_api::v1;
use psi_state::Intervention;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use super::{
    messages, steps,
    streams::{self, Answers},
};
use crate::{
    calls::{
        answer::{FieldSummary, InterventionReceipt},
        ops::Ops,
        reads::page::PageRequest,
        steps::inputs::{Inputs, StepCall},
    },
    sessions::options::{CallOptions, RequestedOptions, grpc_timeout},
};

pub(super) struct FieldService {
    pub(super) ops: Ops,
}

impl FieldService {
    fn read_options(
        &self,
        after: String,
        deadline_ms: u32,
        transport_timeout: Option<Duration>,
    ) -> Result<CallOptions, Status> {
        let requested =
            RequestedOptions { after, deadline_ms: deadline_ms.into(), transport_timeout, ..Default::default() };
        Ok(self.ops.options(requested)?)
    }

    fn node(&self) -> &str {
        self.ops.context.settings.node.as_str()
    }
}

/// The timeout that the transport sets.
pub(super) fn transport_timeout(metadata: &MetadataMap) -> Option<Duration> {
    grpc_timeout(metadata.get("grpc-timeout")?.to_str().ok()?)
}

fn field_answer((field, token): (FieldSummary, String)) -> Response<v1::Field> {
    Response::new(v1::Field { token, ..messages::field(&field) })
}

#[tonic::async_trait]
impl v1::psi_field_service_server::PsiFieldService for FieldService {
    type StepStreamStream = Answers<v1::StepStreamResponse>;
    type WatchStateStream = Answers<v1::FieldState>;
    type WatchStepsStream = Answers<v1::WatchStepsResponse>;

    async fn step(&self, request: Request<v1::StepRequest>) -> Result<Response<v1::StepResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let transport_timeout = transport_timeout(request.metadata());
        let pending = steps::accept(&ops, request.into_inner(), transport_timeout).await?;
        steps::settle(&ops, pending).await.map(Response::new)
    }

    async fn step_batch(
        &self,
        request: Request<v1::StepBatchRequest>,
    ) -> Result<Response<v1::StepBatchResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let transport_timeout = transport_timeout(request.metadata());
        let v1::StepBatchRequest {
            field,
            inputs,
            apply_guardian,
            after,
            deadline_ms,
            replicate_to,
            request_id,
            version,
            keys,
            outcomes,
        } = request.into_inner();
        let deadline_ms = deadline_ms.into();
        let replicate_to = messages::level(&ops, replicate_to)?;
        let options =
            ops.options(RequestedOptions { after, deadline_ms, transport_timeout, replicate_to, request_id })?;
        let inputs = Inputs::Batch(inputs.into_iter().map(|vector| vector.values).collect());
        let remarks = steps::remarks(keys, outcomes);
        let steps = ops.step(StepCall { field, version, inputs, remarks, guardian: apply_guardian }, options).await?;
        Ok(Response::new(v1::StepBatchResponse { steps: steps.into_iter().map(steps::answer).collect() }))
    }

    async fn step_stream(
        &self,
        request: Request<Streaming<v1::StepRequest>>,
    ) -> Result<Response<Self::StepStreamStream>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let slot = ops.stream_slot()?;
        Ok(Response::new(streams::with_slot(slot, streams::of_steps(ops, request.into_inner()))))
    }

    async fn get_state(&self, request: Request<v1::GetStateRequest>) -> Result<Response<v1::FieldState>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let transport_timeout = transport_timeout(request.metadata());
        let v1::GetStateRequest { field, after, deadline_ms } = request.into_inner();
        let options = self.read_options(after, deadline_ms, transport_timeout)?;
        let (view, token) = ops.state_after(&field, &options).await?;
        Ok(Response::new(psi_api::state(&view, self.node(), token)))
    }

    async fn watch_state(
        &self,
        request: Request<v1::WatchStateRequest>,
    ) -> Result<Response<Self::WatchStateStream>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let transport_timeout = transport_timeout(request.metadata());
        let v1::WatchStateRequest { field, interval_ms, after, deadline_ms } = request.into_inner();
        let options = self.read_options(after, deadline_ms, transport_timeout)?;
        ops.state_after(&field, &options).await?;
        let slot = ops.stream_slot()?;
        Ok(Response::new(streams::with_slot(slot, streams::of_states(ops.clone(), field, interval_ms))))
    }

    async fn watch_steps(
        &self,
        request: Request<v1::WatchStepsRequest>,
    ) -> Result<Response<Self::WatchStepsStream>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let watch = ops.watch_steps(&request.into_inner().field);
        let (field, steps) = watch.map_err(|cause| ops.record_cause(cause))?;
        let slot = ops.stream_slot()?;
        Ok(Response::new(streams::with_slot(slot, streams::of_watched_steps(&ops, &field, steps))))
    }

    async fn list_fields(
        &self,
        request: Request<v1::ListFieldsRequest>,
    ) -> Result<Response<v1::ListFieldsResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let v1::ListFieldsRequest { page_size, page_token } = request.into_inner();
        let page = ops.fields(&PageRequest { size: page_size.into(), token: page_token })?;
        let fields = page.fields.iter().map(messages::field).collect();
        Ok(Response::new(v1::ListFieldsResponse { fields, next_page_token: page.next.unwrap_or_default() }))
    }

    async fn create_field(&self, request: Request<v1::CreateFieldRequest>) -> Result<Response<v1::Field>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let mut request = request.into_inner();
        let name = request.name.clone();
        ops.record_object(&name);
        let names = std::mem::take(&mut request.names);
        let patch = messages::patch_of_create(request).map_err(|cause| ops.record_cause(cause))?;
        Ok(field_answer(ops.create(&name, &patch, names)?))
    }

    async fn change_field(&self, request: Request<v1::ChangeFieldRequest>) -> Result<Response<v1::Field>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let request = request.into_inner();
        let name = request.name.clone();
        ops.record_object(&name);
        let patch = messages::patch_of_change(request).map_err(|cause| ops.record_cause(cause))?;
        Ok(field_answer(ops.change(&name, &patch)?))
    }

    async fn reset_field(&self, request: Request<v1::ResetFieldRequest>) -> Result<Response<v1::Field>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let request = request.into_inner();
        let name = request.name.clone();
        ops.record_object(&name);
        let patch = messages::patch_of_reset(request).map_err(|cause| ops.record_cause(cause))?;
        Ok(field_answer(ops.reset(&name, &patch)?))
    }

    async fn drop_field(
        &self,
        request: Request<v1::DropFieldRequest>,
    ) -> Result<Response<v1::DropFieldResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        ops.drop_field(&request.into_inner().name)?;
        Ok(Response::new(v1::DropFieldResponse {}))
    }

    async fn label_field(&self, request: Request<v1::LabelFieldRequest>) -> Result<Response<v1::Field>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let v1::LabelFieldRequest { name, label } = request.into_inner();
        Ok(field_answer(ops.label(&name, &label)?))
    }

    async fn name_columns(&self, request: Request<v1::NameColumnsRequest>) -> Result<Response<v1::Field>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let v1::NameColumnsRequest { name, names } = request.into_inner();
        Ok(field_answer(ops.name_columns(&name, names)?))
    }

    async fn intervene(
        &self,
        request: Request<v1::InterveneRequest>,
    ) -> Result<Response<v1::InterveneResponse>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let transport_timeout = transport_timeout(request.metadata());
        let v1::InterveneRequest { field, action, after, deadline_ms, replicate_to, request_id } = request.into_inner();
        ops.record_object(&field);
        let action = messages::action(action).map_err(|cause| ops.record_cause(cause))?;
        let deadline_ms = deadline_ms.into();
        let replicate_to = messages::level(&ops, replicate_to)?;
        let options =
            ops.options(RequestedOptions { after, deadline_ms, transport_timeout, replicate_to, request_id })?;
        let receipt = ops.intervene(&field, action, options).await?;
        let InterventionReceipt { intervention, token, replicated } = receipt;
        let Intervention { noise, clock, origin, version: _ } = intervention;
        Ok(Response::new(v1::InterveneResponse {
            noise,
            timestamp: Some(psi_api::timestamp(clock)),
            node: origin.node.to_string(),
            token,
            replicated: replicated.map(Into::into),
        }))
    }

    async fn get_guardian(
        &self,
        request: Request<v1::GetGuardianRequest>,
    ) -> Result<Response<v1::GuardianState>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let transport_timeout = transport_timeout(request.metadata());
        let v1::GetGuardianRequest { field, after, deadline_ms } = request.into_inner();
        let options = self.read_options(after, deadline_ms, transport_timeout)?;
        let (view, token) = ops.state_after(&field, &options).await?;
        Ok(Response::new(psi_api::guardian(&view, self.node(), token)))
    }

    async fn acknowledge_threat(
        &self,
        request: Request<v1::AcknowledgeThreatRequest>,
    ) -> Result<Response<v1::GuardianState>, Status> {
        let ops = self.ops.called_by(request.extensions());
        let transport_timeout = transport_timeout(request.metadata());
        let v1::AcknowledgeThreatRequest { field, after, deadline_ms } = request.into_inner();
        ops.record_object(&field);
        let options = self.read_options(after, deadline_ms, transport_timeout)?;
        let (view, token) = ops.acknowledge(&field, &options).await?;
        Ok(Response::new(psi_api::guardian(&view, self.node(), token)))
    }
}
