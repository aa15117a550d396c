//! What happens to models, as it happens.

use std::time::Duration;

use psi_api::{Cause, v1};
use psi_ledger::record::Kind;
use tokio::sync::mpsc;
use tonic::Status;

use super::{Ops, model_name};
use crate::{
    calls::readiness::readable,
    governance::rollout::events::{EventReader, ModelEventRecord},
};

/// Between two looks where nothing wakes it.
const LOOK: Duration = Duration::from_millis(500);
/// Events that wait for a slow client. What does not fit waits in the ledgers, which show the latest 64 records of a node.
const QUEUE: usize = 64;

impl Ops {
    /// Sends what happens to a model, or to all, until the client goes.
    pub(crate) fn watch_models(
        &self,
        request: v1::WatchEventsRequest,
    ) -> Result<mpsc::Receiver<Result<v1::ModelEvent, Status>>, Cause> {
        let v1::WatchEventsRequest { model, recent } = request;
        let begin = || {
            self.context.read(readable)?;
            if !model.is_empty() {
                self.known_model(&model_name(&model)?)?;
            }
            Ok(if recent { EventReader::default() } else { self.context.read(EventReader::from_now) })
        };
        let mut reader = self.record_refusal(begin())?;
        let slot = self.stream_slot()?;
        let (events, watched) = mpsc::channel(QUEUE);
        let (context, mut changes) = (self.context.clone(), self.context.changes());
        tokio::spawn(async move {
            let _slot = slot;
            while !events.is_closed() && !context.stop.is_cancelled() {
                let new = context.read(|replica| reader.read(replica));
                for event in new.iter().filter(|event| model.is_empty() || event.model() == model) {
                    if events.send(Ok(message(event))).await.is_err() {
                        return;
                    }
                }
                let _ = tokio::time::timeout(LOOK, changes.changed()).await;
            }
        });
        Ok(watched)
    }
}

fn message(event: &ModelEventRecord) -> v1::ModelEvent {
    v1::ModelEvent {
        id: event.id(),
        time: Some(psi_api::timestamp(event.clock)),
        object: event.object.clone(),
        method: event.method.clone(),
        actor: event.actor.clone(),
        reason: event.reason.clone(),
        rollback: event.kind == Kind::Rollback,
    }
}
