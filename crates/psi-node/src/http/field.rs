//! One field: steps, state, parameters.

use std::fmt::Display;

use axum::{
    Json,
    body::{Bytes, HttpBody},
    extract::{self, State},
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
};

use super::{
    answers::{
        parameters::{InitAnswer, ParamsAnswer},
        state::StateAnswer,
        step::StepAnswer,
    },
    guardian,
    refusal::{Refusal, record_refusal},
    requests::{address::FieldParam, parameters, params::RequestParams, read, step::StepBody},
};
use crate::calls::{
    inputs::{Inputs, StepCall},
    ops::Ops,
    patch::FieldPatch,
};

/// `POST /step`, as [`super::routes::observe`] hands it over, around the router.
pub(super) async fn step<B>(ops: Ops, request: Request<B>) -> Response
where
    B: HttpBody<Data = Bytes, Error: Display>,
{
    stepped(&ops, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn stepped<B>(ops: &Ops, request: Request<B>) -> Result<Response, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Display>,
{
    let of_address = RequestParams::of_address(request.uri(), ops)?;
    let bytes = read::body(ops, request).await?;
    let StepBody { x, apply_guardian, params } = record_refusal(ops, StepBody::parse(&bytes))?;
    let params = record_refusal(ops, of_address.merge(params))?;
    let in_body = params.in_body();
    let (field, options) = params.read(ops)?;
    let call = StepCall { field, inputs: Inputs::One(x), guardian: apply_guardian };
    let steps = ops.step(call, options).await.map_err(|cause| Refusal::from(cause).in_body(in_body))?;
    let without_answer = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "a step without an answer");
    let step = steps.first().ok_or_else(without_answer)?;
    Ok(StepAnswer::from(step).into_response())
}

pub(super) async fn state(State(ops): State<Ops>, params: RequestParams) -> Result<Json<StateAnswer>, Refusal> {
    let (view, token) = guardian::view(&ops, params).await?;
    let node = ops.context.settings.node.as_str();
    Ok(Json(StateAnswer::new(&view, node, token, ops.context.now().wall.0)))
}

pub(super) async fn params(
    State(ops): State<Ops>,
    FieldParam(field): FieldParam,
) -> Result<Json<ParamsAnswer>, Refusal> {
    let (view, _) = ops.state(&field).map_err(|cause| ops.record_cause(cause))?;
    Ok(Json(ParamsAnswer::new(view.spec, ops.context.now().wall.0)))
}

pub(super) async fn init(
    State(ops): State<Ops>,
    FieldParam(field): FieldParam,
    request: extract::Request,
) -> Result<Json<InitAnswer>, Refusal> {
    let bytes = read::body(&ops, request).await?;
    let parameters = record_refusal(&ops, parameters::read(&bytes))?;
    let (current, token) = ops.reset(&field, &FieldPatch { parameters, ..FieldPatch::default() })?;
    Ok(Json(InitAnswer::new(current, ops.context.settings.node.as_str(), token)))
}
