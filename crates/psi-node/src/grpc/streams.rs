//! Streams of answers: to steps one by one, and of states and steps as they come.

use std::{future::ready, pin::Pin, sync::Arc};

use futures_util::{FutureExt, Stream, StreamExt, future::Either, stream::once};
use psi_api::{
    cause_of,
    v1::{self, watch_steps_response::Event},
};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tonic::{Status, Streaming};

use super::{messages, steps};
use crate::calls::{answer::FieldSummary, ops::Ops, watchers::WatchedStep};

/// Most steps of a stream that wait for their replication at once.
const STREAM_PENDING_MAX: usize = 256;

pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A stream that keeps its place among the open ones until it ends.
pub(super) fn with_slot<T: 'static>(slot: OwnedSemaphorePermit, answers: Answers<T>) -> Answers<T> {
    Box::pin(answers.inspect(move |_| {
        let _kept = &slot;
    }))
}

/// One answer for each request, in order. Steps are absorbed one after the other, and wait for replication together.
pub(super) fn of_steps(ops: Ops, requests: Streaming<v1::StepRequest>) -> Answers<v1::StepStreamResponse> {
    let accepted = requests.then(move |request| {
        let ops = ops.clone();
        async move {
            if ops.context.stop.is_cancelled() {
                return Err(Status::unavailable("the node is stopping; go on with another one"));
            }
            let accepted = steps::accept(&ops, request?, None).await;
            Ok((ops, accepted))
        }
    });
    let settled = accepted.map(|accepted| match accepted {
        Ok((ops, Ok(pending))) => Either::Left(async move { steps::settle(&ops, pending).await }.map(Ok)),
        Ok((_, Err(refused))) => Either::Right(ready(Ok(Err(refused)))),
        Err(ended) => Either::Right(ready(Err(ended))),
    });
    let answers = settled.buffered(STREAM_PENDING_MAX).enumerate().map(|(sequence, settled)| {
        let outcome = match settled? {
            Ok(step) => v1::step_stream_response::Outcome::Step(step),
            Err(status) => v1::step_stream_response::Outcome::Error(step_error(&status)),
        };
        Ok(v1::StepStreamResponse { sequence: sequence as u64, outcome: Some(outcome) })
    });
    Box::pin(answers)
}

/// A refused step of a stream, in place of its answer.
fn step_error(status: &Status) -> v1::StepError {
    let (reason, metadata) = cause_of(status).unwrap_or_default();
    v1::StepError { code: status.code().into(), reason, message: status.message().to_owned(), metadata }
}

/// The state of a field now, and whenever it changed, at most once an interval.
pub(super) fn of_states(ops: Ops, field: String, interval_ms: u32) -> Answers<v1::FieldState> {
    let states = ops.watch_state(field, interval_ms.into());
    Box::pin(states.map(move |state| {
        let (view, token) = *state?;
        Ok(psi_api::state(&view, ops.context.settings.node.as_str(), token))
    }))
}

/// The field, and its steps as this node accepts them.
pub(super) fn of_watched_steps(
    ops: &Ops,
    field: &FieldSummary,
    steps: broadcast::Receiver<Arc<WatchedStep>>,
) -> Answers<v1::WatchStepsResponse> {
    let field = once(ready(Event::Field(messages::field(field))));
    let steps = BroadcastStream::new(steps).map(|step| match step {
        Ok(step) => Event::Step(accepted_step(&step)),
        Err(BroadcastStreamRecvError::Lagged(steps)) => Event::Missed(steps),
    });
    let events = field.chain(steps).map(|event| Ok(v1::WatchStepsResponse { event: Some(event) }));
    let stopped = ops.context.stop.clone().cancelled_owned();
    let goodbye = once(ready(Err(Status::unavailable("the node is stopping"))));
    Box::pin(events.take_until(stopped).chain(goodbye))
}

fn accepted_step(step: &WatchedStep) -> v1::AcceptedStep {
    let WatchedStep { epoch, k, clock, input } = step;
    v1::AcceptedStep { epoch: epoch.0, k: *k, timestamp: Some(psi_api::timestamp(*clock)), input: input.clone() }
}
