//! Accepted writes that wait for the replication level that their call asked for.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};

use futures_util::future::Either;

use super::{answer::WriteAnswer, ops::Ops};
use crate::{
    node::context::NodeContext,
    sessions::{level::Level, options::CallOptions, replication, requests::Ticket},
};

/// An accepted write, and what its answer waits for.
pub(crate) struct PendingWrite {
    answer: WriteAnswer,
    /// The level to wait for, and until when. `None` if the call asked for none, or the answer is a repeated one.
    target: Option<(Level, tokio::time::Instant)>,
    ticket: Option<Ticket<WriteAnswer>>,
}

/// A future that is mostly ready from the start.
pub(crate) type CallFuture<'a, T> = Either<Ready<T>, Pin<Box<dyn Future<Output = T> + Send + 'a>>>;

pub(crate) fn ready_now<'a, T>(value: T) -> CallFuture<'a, T> {
    Either::Left(ready(value))
}

impl PendingWrite {
    /// The answer of a repeated request, which waits for nothing.
    pub(super) fn answered(answer: WriteAnswer) -> Self {
        Self { answer, target: None, ticket: None }
    }

    /// Waits for its replication level, if there is one.
    pub(crate) fn settle(mut self, context: &NodeContext) -> CallFuture<'_, WriteAnswer> {
        let Some((level, deadline)) = self.target else { return ready_now(self.answer) };
        Either::Right(Box::pin(async move {
            if let Some((run, version)) = self.answer.position() {
                let replicated = replication::wait_for(context, run, version, level, deadline).await;
                self.answer.set_reach(replicated);
            }
            if let Some(ticket) = &self.ticket {
                ticket.answer(self.answer.clone());
            }
            self.answer
        }))
    }
}

impl Ops {
    /// A write that was carried out just now.
    pub(super) fn pending_write(
        &self,
        options: &CallOptions,
        ticket: Option<Ticket<WriteAnswer>>,
        mut answer: WriteAnswer,
    ) -> PendingWrite {
        if let Some(level) = options.replicate_to {
            // In case its caller leaves before the answer.
            answer.set_reach(replication::reach_now(&self.context, level));
        }
        if let Some(ticket) = &ticket {
            ticket.answer(answer.clone());
        }
        PendingWrite { answer, target: options.replicate_to.map(|level| (level, options.deadline)), ticket }
    }
}
