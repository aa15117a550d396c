//! Writes that were accepted and are still to get as far as asked for.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};

use futures_util::future::Either;

use super::{answer::Answer, ops::Ops};
use crate::{
    sessions::{level::Level, options::CallOptions, replication, requests::Ticket},
    shared::Shared,
};

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
    /// Of a request that was answered before: nothing is waited for.
    pub(super) fn answered(answer: Answer) -> Self {
        Self { answer, wish: None, ticket: None }
    }

    /// Waits for its replication, if it is to.
    pub(crate) fn settled(mut self, shared: &Shared) -> AtOnceOr<'_, Answer> {
        let Some((level, deadline)) = self.wish else { return at_once(self.answer) };
        Either::Right(Box::pin(async move {
            let replicated = replication::wait(shared, self.answer.version(), level, deadline).await;
            self.answer.set_replicated(replicated);
            if let Some(ticket) = &self.ticket {
                ticket.answer(self.answer.clone());
            }
            self.answer
        }))
    }
}

impl Ops {
    /// What is still to be waited for once a write was carried out.
    pub(crate) fn taken(&self, options: &CallOptions, ticket: Option<Ticket<Answer>>, mut answer: Answer) -> Pending {
        if let Some(level) = options.replicate_to {
            // In case that its caller does not wait.
            answer.set_replicated(replication::at_once(&self.shared, level));
        }
        if let Some(ticket) = &ticket {
            ticket.answer(answer.clone());
        }
        Pending { answer, wish: options.replicate_to.map(|level| (level, options.deadline)), ticket }
    }
}
