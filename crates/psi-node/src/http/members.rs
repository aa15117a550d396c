//! Members, the runs of nodes, and nodes that will not come back.

pub(super) mod federation;

use axum::Json;

use super::{
    answers::members::{ForgottenAnswer, MembersAnswer},
    refusal::Refusal,
    requests::address::{NameParam, NoParams},
};
use crate::calls::ops::Ops;

pub(super) async fn list(ops: Ops, _: NoParams) -> Json<MembersAnswer> {
    Json(ops.members().into())
}

pub(super) async fn forget(ops: Ops, NameParam(name): NameParam) -> Result<Json<ForgottenAnswer>, Refusal> {
    let runs = ops.forget_node(&name, false).map_err(|cause| Refusal::from(cause).in_path())?;
    Ok(Json(ForgottenAnswer::new(name, runs, ops.context.settings.node.as_str())))
}
