//! Writes on their way through a node: known or new, taken in once their token is reached, and answered when they have
//! got as far as asked for.

use std::{
    future::{Future, Ready, ready},
    hash::{BuildHasher, Hash, Hasher, RandomState},
    pin::{Pin, pin},
    sync::Arc,
};

use futures_util::future::Either;
use psi_api::Cause;
use psi_engine::Action;
use psi_replica::{FieldName, Frontier, Intervention, Lacks, NotReady, TokenError, Version, WriteError};
use tonic::Code;

use crate::{
    issuer::held_by_issuer,
    ops::{Ops, StepCall, Stepped},
    replicated::{self, Level, Replicated},
    requests::{Remembered, Ticket, Turn},
    shared::Shared,
    steps::stopped,
    terms::Terms,
};

/// An accepted intervention, with what else its answer tells.
#[derive(Clone, Debug)]
pub(crate) struct Intervened {
    pub(crate) intervention: Intervention,
    pub(crate) token: String,
    pub(crate) replicated: Option<Replicated>,
}

/// What a write is answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// At least one.
    Steps(Vec<Stepped>),
    Intervention(Intervened),
}

impl Answer {
    fn version(&self) -> Version {
        match self {
            Self::Steps(steps) => steps.last().map_or(Version::ZERO, |last| last.step.version),
            Self::Intervention(intervened) => intervened.intervention.version,
        }
    }

    fn set_replicated(&mut self, replicated: Replicated) {
        let place = match self {
            Self::Steps(steps) => steps.last_mut().map(|last| &mut last.replicated),
            Self::Intervention(intervened) => Some(&mut intervened.replicated),
        };
        if let Some(place) = place {
            *place = Some(replicated);
        }
    }
}

impl Remembered for Answer {
    fn steps(&self) -> usize {
        match self {
            Self::Steps(steps) => steps.len(),
            Self::Intervention(_) => 1,
        }
    }
}

/// An accepted write that is still to get as far as asked for.
pub(crate) struct Pending {
    answer: Answer,
    /// Until when, and how far; `None` if nothing was asked for, or the answer is that of an earlier time.
    wish: Option<(Level, tokio::time::Instant)>,
    ticket: Option<Ticket<Answer>>,
}

/// What is mostly there at once, and else takes a while.
pub(crate) type AtOnceOr<'a, T> = Either<Ready<T>, Pin<Box<dyn Future<Output = T> + Send + 'a>>>;

pub(crate) fn at_once<'a, T>(value: T) -> AtOnceOr<'a, T> {
    Either::Left(ready(value))
}

impl Pending {
    /// Waits for its replication, if it is to.
    pub(crate) fn settled(mut self, shared: &Shared) -> AtOnceOr<'_, Answer> {
        let Some((level, deadline)) = self.wish else { return at_once(self.answer) };
        Either::Right(Box::pin(async move {
            let replicated = replicated::wait(shared, self.answer.version(), level, deadline).await;
            self.answer.set_replicated(replicated);
            if let Some(ticket) = &self.ticket {
                ticket.answer(self.answer.clone());
            }
            self.answer
        }))
    }
}

impl Ops {
    /// Lets a write in once its token is reached, unless its request was answered before.
    pub(crate) async fn admitted(
        &self,
        terms: &Terms,
        content: impl Fn(&RandomState) -> u64,
    ) -> Result<Admitted, Cause> {
        let admitted = self.admit(terms, content).await.map_err(|cause| self.refused(cause))?;
        if let Admitted::First(_) = admitted {
            self.reach(terms).await.map_err(|cause| self.refused(cause))?;
        } else {
            self.shared.metrics.record_repeat();
        }
        Ok(admitted)
    }

    /// What is still to be waited for once a write was carried out.
    pub(crate) fn taken(&self, terms: &Terms, ticket: Option<Ticket<Answer>>, mut answer: Answer) -> Pending {
        if let Some(level) = terms.replicate_to {
            // In case that its caller does not wait.
            answer.set_replicated(replicated::at_once(&self.shared, level));
        }
        if let Some(ticket) = &ticket {
            ticket.answer(answer.clone());
        }
        Pending { answer, wish: terms.replicate_to.map(|level| (level, terms.deadline)), ticket }
    }

    async fn admit(&self, terms: &Terms, content: impl Fn(&RandomState) -> u64) -> Result<Admitted, Cause> {
        let Some(id) = &terms.request_id else { return Ok(Admitted::First(None)) };
        let requests = &self.shared.requests;
        let content = content(&self.shared.hasher);
        loop {
            let mut underway = match requests.begin(tokio::time::Instant::now(), id, content) {
                Turn::First(ticket) => return Ok(Admitted::First(Some(ticket))),
                Turn::Answered(answer) => {
                    return Ok(Admitted::Answered(Pending { answer, wish: None, ticket: None }));
                }
                Turn::Reused => return Err(reused(id)),
                Turn::Underway(underway) => underway,
            };
            tokio::select! {
                _ = underway.changed() => {}
                () = tokio::time::sleep_until(terms.deadline) => return Err(underway_still(id, terms)),
                () = self.shared.stop.cancelled() => return Err(stopping()),
            }
        }
    }

    /// Waits until this node holds all that the client has seen or written.
    pub(crate) async fn reach(&self, terms: &Terms) -> Result<(), Cause> {
        let Some(token) = &terms.after else { return Ok(()) };
        let mut changes = self.shared.changes();
        let mut asking = pin!(held_by_issuer(&self.shared, token, tokio::time::Instant::now()));
        let mut held_there: Option<Arc<Frontier>> = None;
        loop {
            changes.mark_unchanged();
            let lacks = self.shared.read(|replica| {
                replica.may_write()?;
                let lacks = replica.lacks(token)?;
                let covered = held_there.as_ref().is_some_and(|there| replica.frontier().covers(there));
                Ok((lacks, covered))
            });
            let lacks = match lacks {
                Ok((lacks, covered)) if covered || lacks.is_empty() => return Ok(()),
                Ok((lacks, _)) => lacks,
                Err(Unfit::NotReady(error)) => return Err(Cause::from(&WriteError::NotReady(error))),
                Err(Unfit::Token(error)) => return Err(Cause::from(&error)),
            };
            tokio::select! {
                _ = changes.changed() => {}
                held = &mut asking, if lacks.left_out && held_there.is_none() => held_there = Some(held),
                () = tokio::time::sleep_until(terms.deadline) => return Err(not_reached(&lacks, terms)),
                () = self.shared.stop.cancelled() => return Err(stopping()),
            }
        }
    }
}

/// What is to be done about a write.
pub(crate) enum Admitted {
    /// It is to be carried out; a ticket comes with a name.
    First(Option<Ticket<Answer>>),
    /// Its request was answered before.
    Answered(Pending),
}

/// Why a node does not look at a token.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    NotReady(#[from] NotReady),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// What stands for the content of steps: the same for a repetition, whatever its terms.
pub(crate) fn content_of_steps(hasher: &RandomState, field: &FieldName, call: &StepCall) -> u64 {
    let mut content = hasher.build_hasher();
    ("steps", field, call.guardian, call.inputs.is_batch()).hash(&mut content);
    for input in call.inputs.iter() {
        input.len().hash(&mut content);
        input.iter().for_each(|number| number.to_bits().hash(&mut content));
    }
    content.finish()
}

/// What stands for the content of an intervention.
pub(crate) fn content_of_intervention(hasher: &RandomState, field: &FieldName, action: Action) -> u64 {
    hasher.hash_one(("intervention", field, action.as_str()))
}

/// A request of another kind was answered under this one's name; their contents have the same hash.
pub(crate) fn of_another_kind() -> Cause {
    let message = "the request_id was another request's; draw a new one for each, a UUID for instance";
    Cause::new(Code::InvalidArgument, "REQUEST_ID_REUSED", message)
}

/// Another request has this one's name.
fn reused(id: &str) -> Cause {
    let message = format!("request_id `{id}` was another request's; draw a new one for each, a UUID for instance");
    Cause::new(Code::InvalidArgument, "REQUEST_ID_REUSED", message).with("request_id", id)
}

fn underway_still(id: &str, terms: &Terms) -> Cause {
    let waited = terms.patience.as_millis();
    let message = format!(
        "the first request with request_id `{id}` was still in progress after {waited} ms; send it again, with the \
         same request_id"
    );
    Cause::new(Code::DeadlineExceeded, "REQUEST_UNDERWAY", message).with("request_id", id).with("waited_ms", waited)
}

fn not_reached(lacks: &Lacks, terms: &Terms) -> Cause {
    let waited = terms.patience.as_millis();
    let message = format!(
        "after {waited} ms this node still lacks {lacks}, which the token in `after` tells of; ask again or another \
         node, or with a longer deadline"
    );
    let cause = Cause::new(Code::DeadlineExceeded, "TOKEN_NOT_REACHED", message);
    cause.with("waited_ms", waited).with("lacking", lacks.listed.len() + usize::from(lacks.left_out))
}

pub(crate) fn stopping() -> Cause {
    Cause::from(&stopped())
}
