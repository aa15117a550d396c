//! Fields: steps, state, parameters, interventions.

use axum::{
    Json,
    extract::{FromRequestParts, Query, Request, State},
    http::request::Parts,
};
use psi_engine::Action;
use serde::Deserialize;

use super::{
    answer::{InitAnswer, InterventionAnswer, ParamsAnswer, StateAnswer, StepAnswer},
    body::{self, StepBody},
    refusal::{Problem, Refusal, shorten},
};
use crate::ops::Ops;

/// `?field=`: the field that a request is about; empty means `default`.
pub(super) struct Chosen(pub(super) String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    #[serde(default)]
    field: String,
}

/// A misspelt `?feild=` would write to another field than was meant, so what is not known is refused.
impl FromRequestParts<Ops> for Chosen {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        match Query::<Choice>::from_request_parts(parts, ops).await {
            Ok(Query(choice)) => Ok(Self(choice.field)),
            Err(error) => {
                let msg = format!("{}; the only parameter is ?field=NAME", shorten(&error.body_text()));
                let problem = Problem::new(["query".into()], "value_error.query", msg);
                counted(ops, Err(Refusal::invalid("BAD_QUERY", vec![problem])))
            }
        }
    }
}

pub(super) async fn step(
    State(ops): State<Ops>,
    Chosen(chosen): Chosen,
    request: Request,
) -> Result<Json<StepAnswer>, Refusal> {
    let bytes = body(&ops, request).await?;
    let StepBody { x, apply_guardian, field } = counted(&ops, StepBody::parse(&bytes))?;
    let field = counted(&ops, one_field(chosen, field))?;
    Ok(Json(ops.step(&field, x, apply_guardian)?.into()))
}

pub(super) async fn state(State(ops): State<Ops>, Chosen(field): Chosen) -> Result<Json<StateAnswer>, Refusal> {
    let (view, token) = ops.state(&field).map_err(|cause| ops.refused(cause))?;
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
    let current = ops.reset(&field, &parameters)?;
    // Taken after the write, so it covers it.
    let token = ops.shared.read(|replica| replica.token().to_string());
    Ok(Json(InitAnswer::new(current, ops.shared.settings.node.as_str(), token)))
}

pub(super) async fn nigredo(ops: State<Ops>, field: Chosen) -> Result<Json<InterventionAnswer>, Refusal> {
    intervene(&ops, &field, Action::Nigredo)
}

pub(super) async fn albedo(ops: State<Ops>, field: Chosen) -> Result<Json<InterventionAnswer>, Refusal> {
    intervene(&ops, &field, Action::Albedo)
}

fn intervene(ops: &Ops, Chosen(field): &Chosen, action: Action) -> Result<Json<InterventionAnswer>, Refusal> {
    let (intervention, token) = ops.intervene(field, action)?;
    Ok(Json(InterventionAnswer::new(action, field, &intervention, token)))
}

async fn body(ops: &Ops, request: Request) -> Result<axum::body::Bytes, Refusal> {
    counted(ops, body::read(request, ops.shared.settings.body_bytes_max).await)
}

/// The field may be named in the address or in the body, but not differently.
fn one_field(chosen: String, in_body: Option<String>) -> Result<String, Refusal> {
    match in_body {
        Some(field) if !chosen.is_empty() && field != chosen => {
            let msg =
                format!("the address names field `{}` and the body `{}`; name one", shorten(&chosen), shorten(&field));
            Err(Refusal::invalid(
                "BAD_BODY",
                vec![Problem::new(["body".into(), "field".into()], "value_error.field", msg)],
            ))
        }
        Some(field) => Ok(field),
        None => Ok(chosen),
    }
}

/// Counts a refusal that no operation has counted.
fn counted<T>(ops: &Ops, result: Result<T, Refusal>) -> Result<T, Refusal> {
    result.inspect_err(|refusal| ops.shared.metrics.error(refusal.reason()))
}
