//! Steps over gRPC, one by one.

use std::time::Duration;

use psi_api::v1;
use tonic::Status;

use super::messages::level;
use crate::{
    calls::{
        answer::StepReceipt,
        ops::Ops,
        pending::PendingWrite,
        steps::inputs::{Inputs, Remarks, RequestedOutcome, StepCall},
    },
    sessions::options::RequestedOptions,
};

/// Accepts a step.
pub(super) async fn accept(
    ops: &Ops,
    request: v1::StepRequest,
    transport_timeout: Option<Duration>,
) -> Result<PendingWrite, Status> {
    let v1::StepRequest {
        field,
        input,
        apply_guardian,
        after,
        deadline_ms,
        replicate_to,
        request_id,
        version,
        key,
        outcome,
    } = request;
    let replicate_to = level(ops, replicate_to)?;
    let deadline_ms = deadline_ms.into();
    let options = ops.options(RequestedOptions { after, deadline_ms, transport_timeout, replicate_to, request_id })?;
    let remarks = remarks(key, outcome);
    let call = StepCall { field, version, inputs: Inputs::One(input), remarks, guardian: apply_guardian };
    Ok(ops.accept_steps(call, options).await?)
}

/// What a request says of its steps.
pub(super) fn remarks(
    keys: impl IntoIterator<Item = String>,
    outcomes: impl IntoIterator<Item = v1::StepOutcome>,
) -> Remarks {
    let outcome = |v1::StepOutcome { error, latency_ms }| RequestedOutcome { error, latency_ms };
    Remarks { keys: keys.into_iter().collect(), outcomes: outcomes.into_iter().map(outcome).collect() }
}

/// Waits for the replication of an accepted step.
pub(super) async fn settle(ops: &Ops, pending: PendingWrite) -> Result<v1::StepResponse, Status> {
    let steps = ops.settle_steps(pending).await?;
    steps.into_iter().next().map(answer).ok_or_else(|| Status::internal("a step without an answer"))
}

pub(super) fn answer(receipt: StepReceipt) -> v1::StepResponse {
    let StepReceipt { step, field, token, replicated } = receipt;
    v1::StepResponse { replicated: replicated.map(Into::into), ..psi_api::step(field.as_str(), &step, token) }
}
