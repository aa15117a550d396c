//! Fields: steps, state, parameters, interventions.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use psi_engine::Action;

use super::{
    answer::{InitAnswer, InterventionAnswer, ParamsAnswer, StateAnswer, StepAnswer},
    asked::{Asked, Chosen},
    body::{self, StepBody},
    refusal::Refusal,
};
use crate::ops::{Inputs, Ops, StepCall, fields::Wanted};

pub(super) async fn step(State(ops): State<Ops>, asked: Asked, request: Request) -> Result<Json<StepAnswer>, Refusal> {
    let bytes = body(&ops, request).await?;
    let StepBody { x, apply_guardian, asked: in_body } = counted(&ops, StepBody::parse(&bytes))?;
    let (field, terms) = counted(&ops, asked.or(in_body))?.read(&ops)?;
    let call = StepCall { field, inputs: Inputs::One(x), guardian: apply_guardian };
    let steps = ops.step(call, terms).await?;
    let step = steps
        .into_iter()
        .next()
        .ok_or_else(|| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "a step without an answer"))?;
    Ok(Json(step.into()))
}

pub(super) async fn state(State(ops): State<Ops>, asked: Asked) -> Result<Json<StateAnswer>, Refusal> {
    let (field, terms) = counted(&ops, asked.of_a_reader())?.read(&ops)?;
    let (view, token) = ops.state_after(&field, &terms).await?;
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
    let bytes = body(&ops, request).await?;
    let parameters = counted(&ops, body::parameters(&bytes))?;
    let (current, token) = ops.reset(&field, &Wanted { parameters, ..Wanted::default() })?;
    Ok(Json(InitAnswer::new(current, ops.shared.settings.node.as_str(), token)))
}

pub(super) async fn nigredo(ops: State<Ops>, asked: Asked) -> Result<Json<InterventionAnswer>, Refusal> {
    intervene(&ops, asked, Action::Nigredo).await
}

pub(super) async fn albedo(ops: State<Ops>, asked: Asked) -> Result<Json<InterventionAnswer>, Refusal> {
    intervene(&ops, asked, Action::Albedo).await
}

async fn intervene(ops: &Ops, asked: Asked, action: Action) -> Result<Json<InterventionAnswer>, Refusal> {
    let (field, terms) = asked.read(ops)?;
    let intervened = ops.intervene(&field, action, terms).await?;
    Ok(Json(InterventionAnswer::new(action, &field, intervened)))
}

async fn body(ops: &Ops, request: Request) -> Result<axum::body::Bytes, Refusal> {
    counted(ops, body::read(request, ops.shared.settings.body_bytes_max).await)
}

/// Counts a refusal that no operation has counted.
fn counted<T>(ops: &Ops, result: Result<T, Refusal>) -> Result<T, Refusal> {
    result.inspect_err(|refusal| ops.shared.metrics.error(refusal.reason()))
}
