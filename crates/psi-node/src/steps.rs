//! How steps get into the replica: at once under its lock, or, where that would take long, beside it.
//!
//! The lock is never held for longer than [`HELD_NS_MAX`] or one step, so that gossip and replication go on whatever
//! clients send. While a batch is worked out, other steps and interventions in its field wait.

use std::{future::Future, sync::Arc};

use psi_api::Cause;
use psi_replica::{FieldName, NotReady, Now, Replica, Step, WriteError};
use tonic::Code;

use crate::{
    ops::{Inputs, Ops},
    shared::Shared,
    terms::Terms,
};

/// What takes longer is worked out beside the replica. Far below the 50 ms that a peer's frames may wait.
const HELD_NS_MAX: u64 = 5_000_000;

/// Steps that were taken in, with the engine that scored them and a token that covers them.
pub(crate) struct Taken {
    pub(crate) steps: Vec<Step>,
    pub(crate) engine: String,
    pub(crate) token: String,
}

impl Taken {
    /// Under the replica's lock, so that watchers are told in order.
    fn new(shared: &Shared, replica: &Replica, field: &FieldName, inputs: &Inputs, steps: Vec<Step>) -> Self {
        shared.watchers.accepted(field, &steps, inputs.iter());
        let engine = replica.engine_name(field).unwrap_or_default();
        Self { steps, engine, token: replica.token().to_string() }
    }
}

impl Ops {
    /// Takes steps in, as one write.
    pub(crate) async fn take(&self, field: &FieldName, inputs: &Arc<Inputs>, terms: &Terms) -> Result<Taken, Cause> {
        loop {
            let shared = &self.shared;
            let is_long = shared.read(|replica| replica.cost_ns(field, inputs.iter().len())) > HELD_NS_MAX;
            let taken = if is_long && inputs.is_batch() {
                self.unless_busy(terms, || take_beside(Arc::clone(shared), field.clone(), Arc::clone(inputs))).await
            } else {
                self.unless_busy(terms, || std::future::ready(take_at_once(shared, field, inputs))).await
            };
            match taken {
                // It was reset: the same steps in the new epoch.
                Err(Refused::Write(WriteError::Overtaken(_))) => {}
                Err(Refused::Write(error)) => return Err(Cause::from(&error)),
                Err(Refused::Other(cause)) => return Err(cause),
                Ok(taken) => return Ok(taken),
            }
        }
    }

    /// Writes, once no batch is worked out in the field.
    pub(crate) async fn unless_busy<R, F: Future<Output = Result<R, WriteError>>>(
        &self,
        terms: &Terms,
        mut write: impl FnMut() -> F,
    ) -> Result<R, Refused> {
        let mut changes = self.shared.changes();
        loop {
            changes.mark_unchanged();
            let field = match write().await {
                Err(WriteError::Busy(field)) => field,
                result => return result.map_err(Refused::Write),
            };
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(terms.deadline) => return Err(Refused::Other(busy_still(&field, terms))),
                () = self.shared.stop.cancelled() => {
                    return Err(WriteError::NotReady(NotReady::Stopping("it was told to".to_owned())).into());
                }
            }
        }
    }
}

/// Why a write was not carried out.
pub(crate) enum Refused {
    Write(WriteError),
    Other(Cause),
}

impl From<WriteError> for Refused {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl From<Refused> for Cause {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Write(error) => Self::from(&error),
            Refused::Other(cause) => cause,
        }
    }
}

fn take_at_once(shared: &Shared, field: &FieldName, inputs: &Inputs) -> Result<Taken, WriteError> {
    shared.write(|replica, now| {
        let steps = match inputs {
            Inputs::One(input) => vec![replica.step(now, field, input)?],
            Inputs::Batch(_) => replica.step_batch(now, field, &slices(inputs))?,
        };
        Ok(Taken::new(shared, replica, field, inputs, steps))
    })
}

/// Once it has begun it comes to its end, though its caller leaves: the field is lent until then.
async fn take_beside(shared: Arc<Shared>, field: FieldName, inputs: Arc<Inputs>) -> Result<Taken, WriteError> {
    let name = field.clone();
    let work = move || {
        let begin = |replica: &mut Replica, now: Now| replica.begin_batch(now, &field, &slices(&inputs));
        let mut batch = shared.write(begin)?;
        batch.run();
        let taken = shared.write(|replica, now| {
            let steps = replica.finish_batch(now, batch)?;
            Ok(Taken::new(&shared, replica, &field, &inputs, steps))
        });
        // Whoever waits for the field.
        shared.wake_links();
        taken
    };
    // That it does not come to its end is a bug; the field stays lent then, and takes no more steps on this node.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(WriteError::Busy(name)))
}

fn slices(inputs: &Inputs) -> Vec<&[f64]> {
    inputs.iter().map(Vec::as_slice).collect()
}

fn busy_still(field: &FieldName, terms: &Terms) -> Cause {
    let waited = terms.patience.as_millis();
    let message = format!(
        "after {waited} ms a batch of steps is still being worked out in field `{field}` on this node; nothing was taken: \
         ask again or another node, or with a longer deadline"
    );
    Cause::new(Code::DeadlineExceeded, "FIELD_BUSY", message).with("field", field).with("waited_ms", waited)
}
