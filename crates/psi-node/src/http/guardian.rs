//! The guardian: its red flag, what it has seen, and interventions by hand.

use axum::{Json, extract::State};
use psi_engine::Action;
use psi_replica::FieldView;

use super::{
    answers::{
        guardian::{StatisticsAnswer, StatusAnswer},
        intervention::InterventionAnswer,
    },
    refusal::{Refusal, counted},
    requests::asked::Asked,
};
use crate::calls::ops::Ops;

pub(super) async fn status(State(ops): State<Ops>, asked: Asked) -> Result<Json<StatusAnswer>, Refusal> {
    let (view, token) = view(&ops, asked).await?;
    Ok(Json(StatusAnswer::new(&view, ops.shared.settings.node.as_str(), token)))
}

pub(super) async fn statistics(State(ops): State<Ops>, asked: Asked) -> Result<Json<StatisticsAnswer>, Refusal> {
    let (view, token) = view(&ops, asked).await?;
    Ok(Json(StatisticsAnswer::new(&view, ops.shared.settings.node.as_str(), token)))
}

pub(super) async fn nigredo(ops: State<Ops>, asked: Asked) -> Result<Json<InterventionAnswer>, Refusal> {
    intervene(&ops, asked, Action::Nigredo).await
}

pub(super) async fn albedo(ops: State<Ops>, asked: Asked) -> Result<Json<InterventionAnswer>, Refusal> {
    intervene(&ops, asked, Action::Albedo).await
}

async fn intervene(ops: &Ops, asked: Asked, action: Action) -> Result<Json<InterventionAnswer>, Refusal> {
    let (field, options) = asked.read(ops)?;
    let intervened = ops.intervene(&field, action, options).await?;
    Ok(Json(InterventionAnswer::new(action, &field, intervened)))
}

/// The field that a reader asks for.
pub(super) async fn view(ops: &Ops, asked: Asked) -> Result<(FieldView, String), Refusal> {
    let (field, options) = counted(ops, asked.of_a_reader())?.read(ops)?;
    Ok(ops.state_after(&field, &options).await?)
}
