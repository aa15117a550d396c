//! `POST /step`.

pub(super) mod batch;

use std::fmt::Display;

use axum::{
    body::{Bytes, HttpBody},
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
};

use super::{
    answers::step::StepAnswer,
    refusal::{Refusal, record_refusal},
    requests::{
        params::RequestParams,
        read,
        step::{StepBody, members::StepMembers},
    },
};
use crate::calls::{
    ops::Ops,
    steps::inputs::{Inputs, StepCall},
};

/// As [`super::routes::observe`] hands it over, around the router.
pub(super) async fn step<B>(ops: Ops, request: Request<B>) -> Response
where
    B: HttpBody<Data = Bytes, Error: Display>,
{
    try_step(&ops, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn try_step<B>(ops: &Ops, request: Request<B>) -> Result<Response, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Display>,
{
    let of_address = RequestParams::of_address(request.uri(), ops)?;
    let bytes = read::body(ops, request).await?;
    let StepBody { x, members } = record_refusal(ops, StepBody::parse(&bytes))?;
    let StepMembers { apply_guardian, version, remarks, params, ignored } = members;
    let params = record_refusal(ops, of_address.merge(params))?;
    let in_body = params.in_body();
    let (field, options) = params.read(ops)?;
    let call = StepCall { field, version, inputs: Inputs::One(x), remarks, guardian: apply_guardian };
    let steps = ops.step(call, options).await.map_err(|cause| Refusal::from(cause).in_body(in_body))?;
    let without_answer = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "a step without an answer");
    let step = steps.first().ok_or_else(without_answer)?;
    Ok(StepAnswer::new(step, &ignored).into_response())
}
