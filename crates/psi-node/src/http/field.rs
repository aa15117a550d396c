//! What is done with a field: steps, state, parameters.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};

use super::{
    answer::{InitAnswer, ParamsAnswer, StateAnswer, StepAnswer},
    asked::{Asked, Chosen},
    body::{self, StepBody},
    guardian,
    refusal::{Refusal, counted},
};
use crate::ops::{Inputs, Ops, StepCall, fields::Wanted};

pub(super) async fn step(State(ops): State<Ops>, asked: Asked, request: Request) -> Result<Json<StepAnswer>, Refusal> {
    let bytes = body::of(&ops, request).await?;
    let StepBody { x, apply_guardian, asked: in_body } = counted(&ops, StepBody::parse(&bytes))?;
    let asked = counted(&ops, asked.or(in_body))?;
    let in_body = asked.in_body();
    let (field, terms) = asked.read(&ops)?;
    let call = StepCall { field, inputs: Inputs::One(x), guardian: apply_guardian };
    let steps = ops.step(call, terms).await.map_err(|cause| Refusal::from(cause).in_body(&in_body))?;
    let step = steps
        .into_iter()
        .next()
        .ok_or_else(|| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "a step without an answer"))?;
    Ok(Json(step.into()))
}

pub(super) async fn state(State(ops): State<Ops>, asked: Asked) -> Result<Json<StateAnswer>, Refusal> {
    let (view, token) = guardian::view(&ops, asked).await?;
    let node = ops.shared.settings.node.as_str();
    Ok(Json(StateAnswer::new(&view, node, token, ops.shared.now().wall.0)))
}

pub(super) async fn params(State(ops): State<Ops>, Chosen(field): Chosen) -> Result<Json<ParamsAnswer>, Refusal> {
    let (view, _) = ops.state(&field).map_err(|cause| ops.refused(cause))?;
    Ok(Json(ParamsAnswer::new(view.spec, ops.shared.now().wall.0)))
}

pub(super) async fn init(
    State(ops): State<Ops>,
    Chosen(field): Chosen,
    request: Request,
) -> Result<Json<InitAnswer>, Refusal> {
    let bytes = body::of(&ops, request).await?;
    let parameters = counted(&ops, body::parameters(&bytes))?;
    let (current, token) = ops.reset(&field, &Wanted { parameters, ..Wanted::default() })?;
    Ok(Json(InitAnswer::new(current, ops.shared.settings.node.as_str(), token)))
}
