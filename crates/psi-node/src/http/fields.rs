//! Fields: list, create, change, reset, drop, label, and name their columns.

pub(super) mod drift;
pub(super) mod versions;

use axum::{Json, extract::Request, http::StatusCode};
use psi_state::Setup;

use super::{
    answers::fields::{DroppedAnswer, FieldAnswer, FieldsAnswer},
    refusal::{Refusal, record_refusal},
    requests::{
        address::{NameParam, NoParams, PageParams},
        attachments::{parse_label, parse_names},
        field::FieldBody,
        read,
    },
    routes::properties::{KNOWN_FIELD, NEW_FIELD},
};
use crate::calls::{
    answer::FieldSummary,
    fields::patch::{FieldPatch, new_field, with_default_parameters},
    ops::Ops,
};

pub(super) async fn list(ops: Ops, PageParams(page): PageParams) -> Result<Json<FieldsAnswer>, Refusal> {
    Ok(Json(FieldsAnswer::new(ops.fields(&page)?, ops.context.settings.node.as_str())))
}

pub(super) async fn create(
    ops: Ops,
    _: NoParams,
    request: Request,
) -> Result<(StatusCode, Json<FieldAnswer>), Refusal> {
    let mut body = record_refusal(&ops, FieldBody::parse(&read::body(&ops, request).await?, NEW_FIELD))?;
    let names = body.take_names();
    let (name, patch) = record_refusal(&ops, body.into_new_field(new_field()))?;
    Ok((StatusCode::CREATED, answer(&ops, ops.create(&name, &patch, names)?)))
}

pub(super) async fn show(ops: Ops, NameParam(name): NameParam) -> Result<Json<FieldAnswer>, Refusal> {
    let (view, token) = ops.state(&name).map_err(|cause| Refusal::from(ops.record_cause(cause)).in_path())?;
    Ok(answer(&ops, (view.into(), token)))
}

pub(super) async fn change(
    ops: Ops,
    NameParam(name): NameParam,
    request: Request,
) -> Result<Json<FieldAnswer>, Refusal> {
    let patch = patch(&ops, &name, request, |setup| setup).await?;
    Ok(answer(&ops, ops.change(&name, &patch)?))
}

pub(super) async fn reset(
    ops: Ops,
    NameParam(name): NameParam,
    request: Request,
) -> Result<Json<FieldAnswer>, Refusal> {
    let patch = patch(&ops, &name, request, with_default_parameters).await?;
    Ok(answer(&ops, ops.reset(&name, &patch)?))
}

pub(super) async fn drop_field(ops: Ops, NameParam(name): NameParam) -> Result<Json<DroppedAnswer>, Refusal> {
    let (current, token) = ops.drop_field(&name).map_err(|cause| Refusal::from(cause).in_path())?;
    Ok(Json(DroppedAnswer::new(&current, ops.context.settings.node.as_str(), token)))
}

pub(super) async fn label(
    ops: Ops,
    NameParam(name): NameParam,
    request: Request,
) -> Result<Json<FieldAnswer>, Refusal> {
    let text = record_refusal(&ops, parse_label(&read::body(&ops, request).await?))?;
    Ok(answer(&ops, ops.label(&name, &text).map_err(|cause| Refusal::from(cause).in_path())?))
}

pub(super) async fn names(
    ops: Ops,
    NameParam(name): NameParam,
    request: Request,
) -> Result<Json<FieldAnswer>, Refusal> {
    let names = record_refusal(&ops, parse_names(&read::body(&ops, request).await?))?;
    Ok(answer(&ops, ops.name_columns(&name, names).map_err(|cause| Refusal::from(cause).in_path())?))
}

/// The change in a body of a field that exists, checked against the setup that `base` makes of its own.
async fn patch(ops: &Ops, name: &str, request: Request, base: fn(Setup) -> Setup) -> Result<FieldPatch, Refusal> {
    let bytes = read::body(ops, request).await?;
    let body = record_refusal(ops, FieldBody::parse(&bytes, KNOWN_FIELD))?;
    let setup = ops.setup_of(name).map_err(|cause| Refusal::from(cause).in_path())?;
    record_refusal(ops, body.apply_to(base(setup)))
}

fn answer(ops: &Ops, (field, token): (FieldSummary, String)) -> Json<FieldAnswer> {
    Json(FieldAnswer::new(field, ops.context.settings.node.as_str(), token))
}
