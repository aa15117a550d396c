//! `PsiFieldService`: see `proto/psi/v1/field.proto` for what each call means.

use std::{future::ready, pin::Pin, time::Duration};

use futures_util::{FutureExt, Stream, StreamExt, future::Either, stream::once};

use psi_api::{
    cause_of,
    v1::{self, watch_steps_response::Event},
};
use psi_engine::Action;
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream, errors::BroadcastStreamRecvError};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use super::messages;
use crate::{
    calls::{
        answer::{InterventionReceipt, StepReceipt},
        inputs::{Inputs, StepCall},
        ops::Ops,
        pending::PendingWrite,
        watchers::WatchedStep,
    },
    sessions::{
        level::Level,
        options::{RequestedOptions, grpc_timeout},
    },
};

/// Least and default time between two answers of a watch.
const WATCH_MS_MIN: u32 = 20;
const WATCH_MS_DEFAULT: u32 = 1_000;
/// Most steps of a stream that wait for their replication at once.
const STREAM_PENDING_MAX: usize = 256;

pub(super) struct FieldService {
    pub(super) ops: Ops,
}

impl FieldService {
    async fn accept(
        &self,
        request: v1::StepRequest,
        transport_timeout: Option<Duration>,
    ) -> Result<PendingWrite, Status> {
        let (call, requested) = self.step_call(request, transport_timeout)?;
        let options = self.ops.options(requested)?;
        Ok(self.ops.accept_steps(call, options).await?)
    }

    async fn answered(&self, pending: PendingWrite) -> Result<v1::StepResponse, Status> {
        let steps = self.ops.settle_steps(pending).await?;
        steps.into_iter().next().map(answer).ok_or_else(|| Status::internal("a step without an answer"))
    }

    fn step_call(
        &self,
        request: v1::StepRequest,
        transport_timeout: Option<Duration>,
    ) -> Result<(StepCall, RequestedOptions), Status> {
        let v1::StepRequest { field, input, apply_guardian, after, deadline_ms, replicate_to, request_id } = request;
        let requested = RequestedOptions {
            after,
            deadline_ms: deadline_ms.into(),
            transport_timeout,
            replicate_to: self.level(replicate_to)?,
            request_id,
        };
        Ok((StepCall { field, inputs: Inputs::One(input), guardian: apply_guardian }, requested))
    }

    fn level(&self, level: i32) -> Result<Option<Level>, Status> {
        Ok(Level::from_proto(level).map_err(|cause| self.ops.record_cause(cause))?)
    }
}

/// The timeout that the transport sets.
fn transport_timeout(metadata: &MetadataMap) -> Option<Duration> {
    grpc_timeout(metadata.get("grpc-timeout")?.to_str().ok()?)
}

fn answer(stepped: StepReceipt) -> v1::StepResponse {
    let StepReceipt { step, field, token, replicated } = stepped;
    v1::StepResponse { replicated: replicated.map(Into::into), ..psi_api::step(field.as_str(), &step, token) }
}

fn described((spec, token): (psi_replica::CurrentSpec, String)) -> v1::Field {
    v1::Field { token, ..psi_api::field(&spec) }
}

fn watched_step(accepted: &WatchedStep) -> v1::AcceptedStep {
    let WatchedStep { epoch, k, clock, input } = accepted;
    v1::AcceptedStep { epoch: epoch.0, k: *k, timestamp: Some(psi_api::timestamp(*clock)), input: input.clone() }
}

/// A refused step of a stream, in place of its answer.
fn stream_error(status: &Status) -> v1::StepError {
    let (reason, metadata) = cause_of(status).unwrap_or_default();
    v1::StepError { code: status.code().into(), reason, message: status.message().to_owned(), metadata }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl v1::psi_field_service_server::PsiFieldService for FieldService {
    type StepStreamStream = Answers<v1::StepStreamResponse>;
    type WatchStateStream = Answers<v1::FieldState>;
    type WatchStepsStream = Answers<v1::WatchStepsResponse>;

    async fn step(&self, request: Request<v1::StepRequest>) -> Result<Response<v1::StepResponse>, Status> {
        let transport_timeout = transport_timeout(request.metadata());
        let pending = self.accept(request.into_inner(), transport_timeout).await?;
        self.answered(pending).await.map(Response::new)
    }

    async fn step_batch(
        &self,
        request: Request<v1::StepBatchRequest>,
    ) -> Result<Response<v1::StepBatchResponse>, Status> {
        let transport_timeout = transport_timeout(request.metadata());
        let v1::StepBatchRequest { field, inputs, apply_guardian, after, deadline_ms, replicate_to, request_id } =
            request.into_inner();
        let deadline_ms = deadline_ms.into();
        let replicate_to = self.level(replicate_to)?;
        let options =
            self.ops.options(RequestedOptions { after, deadline_ms, transport_timeout, replicate_to, request_id })?;
        let inputs = Inputs::Batch(inputs.into_iter().map(|vector| vector.values).collect());
        let steps = self.ops.step(StepCall { field, inputs, guardian: apply_guardian }, options).await?;
        Ok(Response::new(v1::StepBatchResponse { steps: steps.into_iter().map(answer).collect() }))
    }

    async fn step_stream(
        &self,
        request: Request<Streaming<v1::StepRequest>>,
    ) -> Result<Response<Self::StepStreamStream>, Status> {
        let service = Self { ops: self.ops.clone() };
        // Steps are absorbed one after the other, and wait for replication together.
        let accepted = request.into_inner().then(move |request| {
            let service = Self { ops: service.ops.clone() };
            async move {
                if service.ops.context.stop.is_cancelled() {
                    return Err(Status::unavailable("the node is stopping; go on with another one"));
                }
                let accepted = service.accept(request?, None).await;
                Ok((service, accepted))
            }
        });
        let settle = accepted.map(|accepted| match accepted {
            Ok((service, Ok(pending))) => Either::Left(async move { service.answered(pending).await }.map(Ok)),
            Ok((_, Err(refused))) => Either::Right(ready(Ok(Err(refused)))),
            Err(ended) => Either::Right(ready(Err(ended))),
        });
        let answers = settle.buffered(STREAM_PENDING_MAX).enumerate().map(|(sequence, answered)| {
            let outcome = match answered? {
                Ok(step) => v1::step_stream_response::Outcome::Step(step),
                Err(status) => v1::step_stream_response::Outcome::Error(stream_error(&status)),
            };
            Ok(v1::StepStreamResponse { sequence: sequence as u64, outcome: Some(outcome) })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_state(&self, request: Request<v1::GetStateRequest>) -> Result<Response<v1::FieldState>, Status> {
        let transport_timeout = transport_timeout(request.metadata());
        let v1::GetStateRequest { field, after, deadline_ms } = request.into_inner();
        let requested = RequestedOptions {
            after,
            deadline_ms: deadline_ms.into(),
            transport_timeout,
            ..RequestedOptions::default()
        };
        let options = self.ops.options(requested)?;
        let (view, token) = self.ops.state_after(&field, &options).await?;
        Ok(Response::new(psi_api::state(&view, self.ops.context.settings.node.as_str(), token)))
    }

    async fn watch_state(
        &self,
        request: Request<v1::WatchStateRequest>,
    ) -> Result<Response<Self::WatchStateStream>, Status> {
        let transport_timeout = transport_timeout(request.metadata());
        let v1::WatchStateRequest { field, interval_ms, after, deadline_ms } = request.into_inner();
        let interval_ms = if interval_ms == 0 { WATCH_MS_DEFAULT } else { interval_ms.max(WATCH_MS_MIN) };
        let requested = RequestedOptions {
            after,
            deadline_ms: deadline_ms.into(),
            transport_timeout,
            ..RequestedOptions::default()
        };
        let options = self.ops.options(requested)?;
        self.ops.state_after(&field, &options).await?;
        let ops = self.ops.clone();
        let (answers, stream) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let mut changes = ops.context.changes();
            let mut sent: Option<v1::FieldState> = None;
            loop {
                changes.mark_unchanged();
                let state = ops.state(&field).map_err(Status::from);
                let node = ops.context.settings.node.as_str();
                let answer = state.map(|(view, token)| psi_api::state(&view, node, token));
                // The replica changes more often than this field does.
                let repeated = answer.as_ref().is_ok_and(|state| sent.as_ref() == Some(state));
                let failed = answer.is_err();
                sent = answer.as_ref().ok().cloned();
                if !repeated && (answers.send(answer).await.is_err() || failed) {
                    return;
                }
                let next = async {
                    tokio::time::sleep(Duration::from_millis(interval_ms.into())).await;
                    changes.changed().await
                };
                tokio::select! {
                    changed = next => if changed.is_err() { return },
                    () = answers.closed() => return,
                    () = ops.context.stop.cancelled() => {
                        let _ = answers.send(Err(Status::unavailable("the node is stopping"))).await;
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn watch_steps(
        &self,
        request: Request<v1::WatchStepsRequest>,
    ) -> Result<Response<Self::WatchStepsStream>, Status> {
        let watch = self.ops.watch_steps(&request.into_inner().field);
        let (spec, accepted) = watch.map_err(|cause| self.ops.record_cause(cause))?;
        let field = once(ready(Event::Field(psi_api::field(&spec))));
        let steps = BroadcastStream::new(accepted).map(|accepted| match accepted {
            Ok(accepted) => Event::Step(watched_step(&accepted)),
            Err(BroadcastStreamRecvError::Lagged(steps)) => Event::Missed(steps),
        });
        let events = field.chain(steps).map(|event| Ok(v1::WatchStepsResponse { event: Some(event) }));
        let stopped = self.ops.context.stop.clone().cancelled_owned();
        let goodbye = once(ready(Err(Status::unavailable("the node is stopping"))));
        Ok(Response::new(Box::pin(events.take_until(stopped).chain(goodbye))))
    }

    async fn list_fields(&self, _: Request<v1::ListFieldsRequest>) -> Result<Response<v1::ListFieldsResponse>, Status> {
        let fields = self.ops.fields().map_err(|cause| self.ops.record_cause(cause))?;
        let fields = fields.iter().map(psi_api::field).collect();
        Ok(Response::new(v1::ListFieldsResponse { fields }))
    }

    async fn create_field(&self, request: Request<v1::CreateFieldRequest>) -> Result<Response<v1::Field>, Status> {
        let request = request.into_inner();
        let name = request.name.clone();
        let patch = messages::patch_of_create(request).map_err(|cause| self.ops.record_cause(cause))?;
        Ok(Response::new(described(self.ops.create(&name, &patch)?)))
    }

    async fn change_field(&self, request: Request<v1::ChangeFieldRequest>) -> Result<Response<v1::Field>, Status> {
        let request = request.into_inner();
        let name = request.name.clone();
        let patch = messages::patch_of_change(request).map_err(|cause| self.ops.record_cause(cause))?;
        Ok(Response::new(described(self.ops.change(&name, &patch)?)))
    }

    async fn reset_field(&self, request: Request<v1::ResetFieldRequest>) -> Result<Response<v1::Field>, Status> {
        let request = request.into_inner();
        let name = request.name.clone();
        let patch = messages::patch_of_reset(request).map_err(|cause| self.ops.record_cause(cause))?;
        Ok(Response::new(described(self.ops.reset(&name, &patch)?)))
    }

    async fn drop_field(
        &self,
        request: Request<v1::DropFieldRequest>,
    ) -> Result<Response<v1::DropFieldResponse>, Status> {
        self.ops.drop_field(&request.into_inner().name)?;
        Ok(Response::new(v1::DropFieldResponse {}))
    }

    async fn intervene(
        &self,
        request: Request<v1::InterveneRequest>,
    ) -> Result<Response<v1::InterveneResponse>, Status> {
        let transport_timeout = transport_timeout(request.metadata());
        let v1::InterveneRequest { field, action, after, deadline_ms, replicate_to, request_id } = request.into_inner();
        let action = match v1::Intervention::try_from(action) {
            Ok(v1::Intervention::Nigredo) => Action::Nigredo,
            Ok(v1::Intervention::Albedo) => Action::Albedo,
            _ => {
                let known = "1 (nigredo) and 2 (albedo)";
                let cause = messages::unknown_number("UNKNOWN_ACTION", "intervention", action, known);
                return Err(self.ops.record_cause(cause).into());
            }
        };
        let deadline_ms = deadline_ms.into();
        let replicate_to = self.level(replicate_to)?;
        let options =
            self.ops.options(RequestedOptions { after, deadline_ms, transport_timeout, replicate_to, request_id })?;
        let InterventionReceipt { intervention, token, replicated } =
            self.ops.intervene(&field, action, options).await?;
        Ok(Response::new(v1::InterveneResponse {
            noise: intervention.noise,
            timestamp: Some(psi_api::timestamp(intervention.clock)),
            node: intervention.origin.node.to_string(),
            token,
            replicated: replicated.map(Into::into),
        }))
    }

    async fn get_guardian(
        &self,
        request: Request<v1::GetGuardianRequest>,
    ) -> Result<Response<v1::GuardianState>, Status> {
        let transport_timeout = transport_timeout(request.metadata());
        let v1::GetGuardianRequest { field, after, deadline_ms } = request.into_inner();
        let requested = RequestedOptions {
            after,
            deadline_ms: deadline_ms.into(),
            transport_timeout,
            ..RequestedOptions::default()
        };
        let options = self.ops.options(requested)?;
        let (view, token) = self.ops.state_after(&field, &options).await?;
        Ok(Response::new(psi_api::guardian(&view, self.ops.context.settings.node.as_str(), token)))
    }
}
