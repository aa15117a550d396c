//! Versions of models, by the paths and names that other programs use.

use axum::Json;

use crate::{
    calls::ops::Ops,
    http::{
        answers::versions::VersionsAnswer,
        refusal::Refusal,
        requests::address::{ModelParam, VersionsParam},
    },
};

pub(in crate::http) async fn list(ops: Ops, asked: VersionsParam) -> Result<Json<VersionsAnswer>, Refusal> {
    let VersionsParam { model: ModelParam { model, field, params }, stage } = asked;
    let (_, options) = params.read(&ops)?;
    let list = ops.versions(&field, &options).await.map_err(|cause| Refusal::from(cause).in_path())?;
    Ok(Json(VersionsAnswer::new((model, stage), &list, ops.context.settings.node.as_str())))
}
