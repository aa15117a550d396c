//! Drift by the paths and names that other programs use: a model is a field.

use axum::{Json, extract::Request};
use psi_state::FieldView;

use crate::{
    calls::ops::Ops,
    http::{
        answers::drift::{AnalysisAnswer, ModelAnswer, ModelsAnswer},
        refusal::{Refusal, record_refusal},
        requests::{
            address::{ModelParam, NoParams, TenantParam},
            baseline::parse_baseline,
            read,
        },
    },
};

pub(in crate::http) async fn models(ops: Ops, tenant: TenantParam, _: NoParams) -> Result<Json<ModelsAnswer>, Refusal> {
    let (views, token) = ops.states()?;
    let node = ops.context.settings.node.as_str();
    let content = views.iter().filter_map(|view| {
        let model = tenant.model(view.spec.field.as_str())?;
        Some(ModelAnswer::new(model.to_owned(), view, node, token.clone()))
    });
    Ok(Json(ModelsAnswer { content: content.collect() }))
}

pub(in crate::http) async fn status(ops: Ops, asked: ModelParam) -> Result<Json<ModelAnswer>, Refusal> {
    let (model, view, token) = look(&ops, asked).await?;
    Ok(Json(answer(&ops, model, &view, token)))
}

pub(in crate::http) async fn analyze(ops: Ops, asked: ModelParam) -> Result<Json<AnalysisAnswer>, Refusal> {
    let (model, view, token) = look(&ops, asked).await?;
    Ok(Json(AnalysisAnswer::new(answer(&ops, model, &view, token), &view)))
}

pub(in crate::http) async fn set_baseline(
    ops: Ops,
    ModelParam { model, field, params }: ModelParam,
    request: Request,
) -> Result<Json<AnalysisAnswer>, Refusal> {
    let call = record_refusal(&ops, parse_baseline(&read::body(&ops, request).await?))?;
    let (_, options) = params.read(&ops)?;
    let set = ops.set_baseline(&field, call, &options).await;
    let (view, token) = set.map_err(|cause| Refusal::from(cause).in_path())?;
    Ok(Json(AnalysisAnswer::new(answer(&ops, model, &view, token), &view)))
}

pub(in crate::http) async fn clear_baseline(
    ops: Ops,
    ModelParam { model, field, params }: ModelParam,
) -> Result<Json<AnalysisAnswer>, Refusal> {
    let (_, options) = params.read(&ops)?;
    let cleared = ops.clear_baseline(&field, String::new(), &options).await;
    let (view, token) = cleared.map_err(|cause| Refusal::from(cause).in_path())?;
    Ok(Json(AnalysisAnswer::new(answer(&ops, model, &view, token), &view)))
}

async fn look(ops: &Ops, asked: ModelParam) -> Result<(String, FieldView, String), Refusal> {
    let ModelParam { model, field, params } = asked;
    let (_, options) = params.read(ops)?;
    let (view, token) = ops.state_after(&field, &options).await.map_err(|cause| Refusal::from(cause).in_path())?;
    Ok((model, view, token))
}

fn answer(ops: &Ops, model: String, view: &FieldView, token: String) -> ModelAnswer {
    ModelAnswer::new(model, view, ops.context.settings.node.as_str(), token)
}
