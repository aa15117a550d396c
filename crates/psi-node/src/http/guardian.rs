//! The guardian: its red flag, its statistics, and interventions by hand.

use axum::{Json, extract::State};
use psi_engine::Action;
use psi_replica::FieldView;

use super::{
    answers::{
        guardian::{StatisticsAnswer, StatusAnswer},
        intervention::InterventionAnswer,
    },
    refusal::{Refusal, record_refusal},
    requests::params::RequestParams,
};
use crate::calls::ops::Ops;

pub(super) async fn status(State(ops): State<Ops>, params: RequestParams) -> Result<Json<StatusAnswer>, Refusal> {
    let (view, token) = view(&ops, params).await?;
    Ok(Json(StatusAnswer::new(&view, ops.context.settings.node.as_str(), token)))
}

pub(super) async fn statistics(
    State(ops): State<Ops>,
    params: RequestParams,
) -> Result<Json<StatisticsAnswer>, Refusal> {
    let (view, token) = view(&ops, params).await?;
    Ok(Json(StatisticsAnswer::new(&view, ops.context.settings.node.as_str(), token)))
}

pub(super) async fn nigredo(ops: State<Ops>, params: RequestParams) -> Result<Json<InterventionAnswer>, Refusal> {
    intervene(&ops, params, Action::Nigredo).await
}

pub(super) async fn albedo(ops: State<Ops>, params: RequestParams) -> Result<Json<InterventionAnswer>, Refusal> {
    intervene(&ops, params, Action::Albedo).await
}

async fn intervene(ops: &Ops, params: RequestParams, action: Action) -> Result<Json<InterventionAnswer>, Refusal> {
    let (field, options) = params.read(ops)?;
    let intervened = ops.intervene(&field, action, options).await?;
    Ok(Json(InterventionAnswer::new(action, &field, intervened)))
}

/// The field that a reader asks for.
pub(super) async fn view(ops: &Ops, params: RequestParams) -> Result<(FieldView, String), Refusal> {
    let (field, options) = record_refusal(ops, params.for_read())?.read(ops)?;
    Ok(ops.state_after(&field, &options).await?)
}
