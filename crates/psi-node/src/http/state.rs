//! State and parameters of one field.

pub(super) mod watch;

use axum::{Json, extract::Request};
use psi_state::FieldView;

use super::{
    answers::{
        parameters::{InitAnswer, ParamsAnswer},
        state::StateAnswer,
    },
    refusal::{Refusal, record_refusal},
    requests::{address::FieldParam, parameters, params::RequestParams, read},
};
use crate::calls::{answer::FieldSummary, fields::patch::FieldPatch, ops::Ops};

pub(super) async fn state(ops: Ops, params: RequestParams) -> Result<Json<StateAnswer>, Refusal> {
    let (view, token) = view(&ops, params).await?;
    let node = ops.context.settings.node.as_str();
    Ok(Json(StateAnswer::new(&view, node, token, ops.context.now().wall.0)))
}

pub(super) async fn params(ops: Ops, FieldParam(field): FieldParam) -> Result<Json<ParamsAnswer>, Refusal> {
    let (view, _) = ops.state(&field).map_err(|cause| ops.record_cause(cause))?;
    Ok(Json(ParamsAnswer::new(view.spec, ops.context.now().wall.0)))
}

pub(super) async fn init(
    ops: Ops,
    FieldParam(field): FieldParam,
    request: Request,
) -> Result<Json<InitAnswer>, Refusal> {
    let bytes = read::body(&ops, request).await?;
    let parameters = record_refusal(&ops, parameters::read(&bytes))?;
    let (FieldSummary { spec: current, .. }, token) =
        ops.reset(&field, &FieldPatch { parameters, ..FieldPatch::default() })?;
    Ok(Json(InitAnswer::new(current, ops.context.settings.node.as_str(), token)))
}

/// The field of a read, once its token is reached.
pub(super) async fn view(ops: &Ops, params: RequestParams) -> Result<(FieldView, String), Refusal> {
    let (field, options) = record_refusal(ops, params.for_read())?.read(ops)?;
    Ok(ops.state_after(&field, &options).await?)
}
