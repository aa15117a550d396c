//! Makes the field again when it is gone: dropped, or lost with a cluster that started over.

use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{
    arguments::Feed,
    field::{LOOK, SourceShape},
};

/// A step that waits for the field; it is sent whether the field is there.
type Waiter = oneshot::Sender<bool>;

/// For steps that missed the field.
#[derive(Clone, Debug)]
pub(super) struct FieldRequester(mpsc::UnboundedSender<Waiter>);

/// Looks for the field when a step missed it.
pub(super) struct FieldMaker(mpsc::UnboundedReceiver<Waiter>);

pub(super) fn maker() -> (FieldRequester, FieldMaker) {
    let (requester, requests) = mpsc::unbounded_channel();
    (FieldRequester(requester), FieldMaker(requests))
}

impl FieldRequester {
    /// Resolves once the field was looked for; whether it is there.
    pub(super) async fn look(&self) -> bool {
        let (waiter, found) = oneshot::channel();
        self.0.send(waiter).is_ok() && found.await.unwrap_or(false)
    }
}

impl FieldMaker {
    /// Never returns.
    pub(super) async fn keep(&mut self, feed: &Feed, shape: &SourceShape) {
        while let Some(first) = self.0.recv().await {
            // A node that does not know the field may learn of it yet; and steps that miss it meanwhile wait for the same look.
            sleep(LOOK).await;
            let mut waiting = vec![first];
            while let Ok(more) = self.0.try_recv() {
                waiting.push(more);
            }
            let is_there = feed.field_now(shape).await.is_ok();
            for waiting in waiting {
                let _ = waiting.send(is_there);
            }
        }
        std::future::pending::<()>().await;
    }
}
