//! The guardian: its red flag, its statistics, and interventions by hand.

use axum::Json;
use psi_engine::Action;

use super::{
    answers::{
        guardian::{StatisticsAnswer, StatusAnswer},
        intervention::InterventionAnswer,
    },
    refusal::{Refusal, record_refusal},
    requests::params::RequestParams,
    state::view,
};
use crate::calls::ops::Ops;

pub(super) async fn status(ops: Ops, params: RequestParams) -> Result<Json<StatusAnswer>, Refusal> {
    let (field, token) = view(&ops, params).await?;
    Ok(Json(StatusAnswer::new(&field, ops.context.settings.node.as_str(), token)))
}

pub(super) async fn statistics(ops: Ops, params: RequestParams) -> Result<Json<StatisticsAnswer>, Refusal> {
    let (field, token) = view(&ops, params).await?;
    Ok(Json(StatisticsAnswer::new(&field, ops.context.settings.node.as_str(), token)))
}

pub(super) async fn nigredo(ops: Ops, params: RequestParams) -> Result<Json<InterventionAnswer>, Refusal> {
    intervene(&ops, params, Action::Nigredo).await
}

pub(super) async fn albedo(ops: Ops, params: RequestParams) -> Result<Json<InterventionAnswer>, Refusal> {
    intervene(&ops, params, Action::Albedo).await
}

pub(super) async fn acknowledge(ops: Ops, params: RequestParams) -> Result<Json<StatusAnswer>, Refusal> {
    let (field, options) = record_refusal(&ops, params.for_read())?.read(&ops)?;
    let (view, token) = ops.acknowledge(&field, &options).await?;
    Ok(Json(StatusAnswer::new(&view, ops.context.settings.node.as_str(), token)))
}

async fn intervene(ops: &Ops, params: RequestParams, action: Action) -> Result<Json<InterventionAnswer>, Refusal> {
    let (field, options) = params.read(ops)?;
    let receipt = ops.intervene(&field, action, options).await?;
    Ok(Json(InterventionAnswer::new(action, &field, receipt)))
}
