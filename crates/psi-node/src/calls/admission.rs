//! Admission of writes: a repeated request gets its earlier answer, and a new one goes on once its token is reached.

use std::{hash::RandomState, pin::pin, sync::Arc};

use psi_api::Cause;
use psi_replica::{Frontier, TokenGaps};
use tonic::Code;

use super::{
    answer::WriteAnswer,
    ops::Ops,
    pending::PendingWrite,
    readiness::{stopping, writable},
};
use crate::sessions::{
    options::CallOptions,
    requests::{Ticket, Turn},
};

impl Ops {
    /// Admits a new write once its token is reached; a repeated request gets its earlier answer.
    pub(super) async fn admit(
        &self,
        options: &CallOptions,
        content: impl Fn(&RandomState) -> u64,
    ) -> Result<Admission, Cause> {
        let admission = self.begin_request(options, content).await.map_err(|cause| self.record_cause(cause))?;
        if let Admission::First(_) = admission {
            self.reach(options).await.map_err(|cause| self.record_cause(cause))?;
        } else {
            self.context.metrics.record_repeat();
        }
        Ok(admission)
    }

    async fn begin_request(
        &self,
        options: &CallOptions,
        content: impl Fn(&RandomState) -> u64,
    ) -> Result<Admission, Cause> {
        let Some(id) = &options.request_id else { return Ok(Admission::First(None)) };
        let requests = &self.context.requests;
        let content = content(&self.context.hasher);
        loop {
            let mut underway = match requests.begin(tokio::time::Instant::now(), id, content) {
                Turn::First(ticket) => return Ok(Admission::First(Some(ticket))),
                Turn::Answered(answer) => {
                    return Ok(Admission::Answered(PendingWrite::answered(answer)));
                }
                Turn::Reused => return Err(reused(id)),
                Turn::Underway(underway) => underway,
            };
            tokio::select! {
                _ = underway.changed() => {}
                () = tokio::time::sleep_until(options.deadline) => return Err(still_underway(id, options)),
                () = self.context.stop.cancelled() => return Err(Cause::from(&stopping())),
            }
        }
    }

    /// Waits until this node has reached the token.
    pub(crate) async fn reach(&self, options: &CallOptions) -> Result<(), Cause> {
        let Some(token) = &options.after else { return Ok(()) };
        let mut changes = self.context.changes();
        let asked = (&self.context.identity, &self.context.members);
        let mut issuer_answer = pin!(self.context.issuers.issuer_frontier(asked, token, tokio::time::Instant::now()));
        let mut issuer_frontier: Option<Arc<Frontier>> = None;
        loop {
            changes.mark_unchanged();
            let gaps = self.context.read(|replica| {
                writable(replica)?;
                let gaps = replica.token_gaps(token).map_err(|error| Cause::from(&error))?;
                let covered = issuer_frontier.as_ref().is_some_and(|there| replica.frontier().covers(there));
                Ok((gaps, covered))
            });
            let gaps = match gaps {
                Ok((gaps, covered)) if covered || gaps.is_empty() => return Ok(()),
                Ok((gaps, _)) => gaps,
                Err(cause) => return Err(cause),
            };
            tokio::select! {
                _ = changes.changed() => {}
                frontier = &mut issuer_answer, if gaps.left_out && issuer_frontier.is_none() => {
                    issuer_frontier = Some(frontier);
                }
                () = tokio::time::sleep_until(options.deadline) => return Err(not_reached(&gaps, options)),
                () = self.context.stop.cancelled() => return Err(Cause::from(&stopping())),
            }
        }
    }
}

/// What happens to a write.
pub(crate) enum Admission {
    /// It is carried out; one with a request id gets a ticket.
    First(Option<Ticket<WriteAnswer>>),
    /// It repeats a request.
    Answered(PendingWrite),
}

/// Another request had this id.
fn reused(id: &str) -> Cause {
    let message = format!("request_id `{id}` belongs to another request; draw a new one for each, for instance a UUID");
    Cause::new(Code::InvalidArgument, "REQUEST_ID_REUSED", message).with("request_id", id)
}

fn still_underway(id: &str, options: &CallOptions) -> Cause {
    let waited = options.timeout.as_millis();
    let message = format!(
        "the first request with request_id `{id}` is still in progress after {waited} ms; retry it with the same \
         request_id"
    );
    Cause::new(Code::DeadlineExceeded, "REQUEST_UNDERWAY", message).with("request_id", id).with("waited_ms", waited)
}

fn not_reached(gaps: &TokenGaps, options: &CallOptions) -> Cause {
    let waited = options.timeout.as_millis();
    let message = format!(
        "after {waited} ms this node is still missing {gaps}, which the session token in `after` names; retry, try \
         another node, or allow a longer deadline"
    );
    let cause = Cause::new(Code::DeadlineExceeded, "SESSION_TOKEN_NOT_REACHED", message);
    cause.with("waited_ms", waited).with("missing", gaps.listed.len() + usize::from(gaps.left_out))
}
