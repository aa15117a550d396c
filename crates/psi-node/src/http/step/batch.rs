//! `POST /steps`: several inputs as one write.

use axum::{Json, extract::Request};

use crate::{
    calls::{
        ops::Ops,
        steps::inputs::{Inputs, StepCall},
    },
    http::{
        answers::step::BatchAnswer,
        refusal::{Refusal, record_refusal},
        requests::{
            params::RequestParams,
            read,
            step::{batch::BatchBody, members::StepMembers},
        },
    },
};

pub(in crate::http) async fn batch(
    ops: Ops,
    of_address: RequestParams,
    request: Request,
) -> Result<Json<BatchAnswer>, Refusal> {
    let bytes = read::body(&ops, request).await?;
    let BatchBody { inputs, members } = record_refusal(&ops, BatchBody::parse(&bytes))?;
    let StepMembers { apply_guardian, version, remarks, params, ignored } = members;
    let params = record_refusal(&ops, of_address.merge(params))?;
    let in_body = params.in_body();
    let (field, options) = params.read(&ops)?;
    let call = StepCall { field, version, inputs: Inputs::Batch(inputs), remarks, guardian: apply_guardian };
    let steps = ops.step(call, options).await.map_err(|cause| Refusal::from(cause).in_body(in_body))?;
    Ok(Json(BatchAnswer { steps, ignored }))
}
