//! Fields themselves: listed, made, changed, reset, dropped.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use psi_replica::{CurrentSpec, Setup};

use super::{
    answers::fields::{DroppedAnswer, FieldAnswer, FieldsAnswer},
    refusal::{Refusal, record_refusal},
    requests::{
        address::{NameParam, NoParams},
        field::FieldBody,
        read,
    },
    routes::properties::{KNOWN_FIELD, NEW_FIELD},
};
use crate::calls::{
    ops::Ops,
    patch::{Wanted, new_field, started_over},
};

pub(super) async fn list(State(ops): State<Ops>, _: NoParams) -> Result<Json<FieldsAnswer>, Refusal> {
    let fields = ops.fields().map_err(|cause| ops.refused(cause))?;
    Ok(Json(FieldsAnswer::new(fields, ops.shared.settings.node.as_str())))
}

pub(super) async fn create(
    State(ops): State<Ops>,
    _: NoParams,
    request: Request,
) -> Result<(StatusCode, Json<FieldAnswer>), Refusal> {
    let body = record_refusal(&ops, FieldBody::parse(&read::body(&ops, request).await?, NEW_FIELD))?;
    let (name, wanted) = record_refusal(&ops, body.of_a_new_one(new_field()))?;
    Ok((StatusCode::CREATED, answer(&ops, ops.create(&name, &wanted)?)))
}

pub(super) async fn show(State(ops): State<Ops>, NameParam(name): NameParam) -> Result<Json<FieldAnswer>, Refusal> {
    let (view, token) = ops.state(&name).map_err(|cause| Refusal::from(ops.refused(cause)).in_path())?;
    Ok(answer(&ops, (view.spec, token)))
}

pub(super) async fn change(
    State(ops): State<Ops>,
    NameParam(name): NameParam,
    request: Request,
) -> Result<Json<FieldAnswer>, Refusal> {
    let wanted = wanted(&ops, &name, request, |held| held).await?;
    Ok(answer(&ops, ops.change(&name, &wanted)?))
}

pub(super) async fn reset(
    State(ops): State<Ops>,
    NameParam(name): NameParam,
    request: Request,
) -> Result<Json<FieldAnswer>, Refusal> {
    let wanted = wanted(&ops, &name, request, started_over).await?;
    Ok(answer(&ops, ops.reset(&name, &wanted)?))
}

pub(super) async fn drop_field(
    State(ops): State<Ops>,
    NameParam(name): NameParam,
) -> Result<Json<DroppedAnswer>, Refusal> {
    let (current, token) = ops.drop_field(&name).map_err(|cause| Refusal::from(cause).in_path())?;
    Ok(Json(DroppedAnswer::new(&current, ops.shared.settings.node.as_str(), token)))
}

/// What a body asks of a field that is there, over what `base` makes of it.
async fn wanted(ops: &Ops, name: &str, request: Request, base: fn(Setup) -> Setup) -> Result<Wanted, Refusal> {
    let bytes = read::body(ops, request).await?;
    let body = record_refusal(ops, FieldBody::parse(&bytes, KNOWN_FIELD))?;
    let held = ops.setup_of(name).map_err(|cause| Refusal::from(cause).in_path())?;
    record_refusal(ops, body.over(base(held)))
}

fn answer(ops: &Ops, (current, token): (CurrentSpec, String)) -> Json<FieldAnswer> {
    Json(FieldAnswer::new(current, ops.shared.settings.node.as_str(), token))
}
