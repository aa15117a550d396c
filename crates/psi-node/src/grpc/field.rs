//! `PsiFieldService`: see `proto/psi/v1/field.proto` for what each call means.

use std::{pin::Pin, time::Duration};

use psi_api::{Cause, cause_of, v1};
use psi_engine::Action;
use psi_replica::{Shape, WIDTH_MAX};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::ops::{NewField, Ops, Stepped};

/// Least and default time between two answers of a watch.
const WATCH_MS_MIN: u32 = 20;
const WATCH_MS_DEFAULT: u32 = 1_000;

pub(super) struct FieldService {
    pub(super) ops: Ops,
}

impl FieldService {
    fn one_step(&self, request: v1::StepRequest) -> Result<v1::StepResponse, Status> {
        let stepped = self.ops.step(&request.field, request.input, request.apply_guardian)?;
        Ok(answer(stepped))
    }
}

fn answer(stepped: Stepped) -> v1::StepResponse {
    let Stepped { step, field, engine, token } = stepped;
    psi_api::step(field.as_str(), &engine, &step, token)
}

fn parameters(parameters: Vec<v1::Parameter>) -> Vec<(String, f64)> {
    parameters.into_iter().map(|parameter| (parameter.name, parameter.value)).collect()
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

    async fn step(&self, request: Request<v1::StepRequest>) -> Result<Response<v1::StepResponse>, Status> {
        self.one_step(request.into_inner()).map(Response::new)
    }

    async fn step_batch(
        &self,
        request: Request<v1::StepBatchRequest>,
    ) -> Result<Response<v1::StepBatchResponse>, Status> {
        let v1::StepBatchRequest { field, inputs, apply_guardian } = request.into_inner();
        let inputs = inputs.into_iter().map(|vector| vector.values).collect();
        let steps = self.ops.step_batch(&field, inputs, apply_guardian)?;
        Ok(Response::new(v1::StepBatchResponse { steps: steps.into_iter().map(answer).collect() }))
    }

    async fn step_stream(
        &self,
        request: Request<Streaming<v1::StepRequest>>,
    ) -> Result<Response<Self::StepStreamStream>, Status> {
        let service = Self { ops: self.ops.clone() };
        let mut sequence = 0;
        let stop = self.ops.shared.stop.clone();
        let requests = request.into_inner();
        let answers = requests.map(move |request| {
            if stop.is_cancelled() {
                return Err(Status::unavailable("the node is stopping; go on with another one"));
            }
            let outcome = match service.one_step(request?) {
                Ok(step) => v1::step_stream_response::Outcome::Step(step),
                Err(status) => v1::step_stream_response::Outcome::Error(stream_error(&status)),
            };
            let answer = v1::StepStreamResponse { sequence, outcome: Some(outcome) };
            sequence += 1;
            Ok(answer)
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_state(&self, request: Request<v1::GetStateRequest>) -> Result<Response<v1::FieldState>, Status> {
        let (view, token) = self.ops.state(&request.into_inner().field).map_err(|cause| self.ops.refused(cause))?;
        Ok(Response::new(psi_api::state(&view, self.ops.shared.settings.node.as_str(), token)))
    }

    async fn watch_state(
        &self,
        request: Request<v1::WatchStateRequest>,
    ) -> Result<Response<Self::WatchStateStream>, Status> {
        let v1::WatchStateRequest { field, interval_ms } = request.into_inner();
        let interval_ms = if interval_ms == 0 { WATCH_MS_DEFAULT } else { interval_ms.max(WATCH_MS_MIN) };
        self.ops.state(&field).map_err(|cause| self.ops.refused(cause))?;
        let ops = self.ops.clone();
        let (answers, stream) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let mut changes = ops.shared.changes();
            let mut sent: Option<v1::FieldState> = None;
            loop {
                changes.mark_unchanged();
                let state = ops.state(&field).map_err(Status::from);
                let node = ops.shared.settings.node.as_str();
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
                    () = ops.shared.stop.cancelled() => {
                        let _ = answers.send(Err(Status::unavailable("the node is stopping"))).await;
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn list_fields(&self, _: Request<v1::ListFieldsRequest>) -> Result<Response<v1::ListFieldsResponse>, Status> {
        let fields = self.ops.fields().map_err(|cause| self.ops.refused(cause))?;
        let fields = fields.iter().map(psi_api::field).collect();
        Ok(Response::new(v1::ListFieldsResponse { fields }))
    }

    async fn create_field(&self, request: Request<v1::CreateFieldRequest>) -> Result<Response<v1::Field>, Status> {
        let request = request.into_inner();
        let width = usize::try_from(request.width).unwrap_or(WIDTH_MAX + 1);
        let new = NewField {
            engine: Some(request.engine).filter(|engine| !engine.is_empty()),
            width: Some(width).filter(|width| *width > 0).or(Some(Shape::default().width)),
            scale_exponent: request.scale_exponent,
            seed: request.seed,
            parameters: parameters(request.parameters),
        };
        Ok(Response::new(psi_api::field(&self.ops.create(&request.name, new)?)))
    }

    async fn reset_field(&self, request: Request<v1::ResetFieldRequest>) -> Result<Response<v1::Field>, Status> {
        let request = request.into_inner();
        Ok(Response::new(psi_api::field(&self.ops.reset(&request.name, &parameters(request.parameters))?)))
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
        let v1::InterveneRequest { field, action } = request.into_inner();
        let action = match v1::Intervention::try_from(action) {
            Ok(v1::Intervention::Nigredo) => Action::Nigredo,
            Ok(v1::Intervention::Albedo) => Action::Albedo,
            _ => {
                let message = format!("unknown intervention {action}; there are 1 (nigredo) and 2 (albedo)");
                let cause = Cause::new(Code::InvalidArgument, "UNKNOWN_ACTION", message).with("got", action);
                return Err(self.ops.refused(cause).into());
            }
        };
        let (intervention, token) = self.ops.intervene(&field, action)?;
        Ok(Response::new(v1::InterveneResponse {
            noise: intervention.noise,
            timestamp: Some(psi_api::timestamp(intervention.clock)),
            node: intervention.origin.node.to_string(),
            token,
        }))
    }
}
