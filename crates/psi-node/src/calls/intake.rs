//! How steps get into the replica: at once under its lock, or, where that would take long, beside it.
//!
//! The lock is never held for longer than [`HELD_NS_MAX`] or one step, so that gossip and replication go on whatever
//! clients send. While a batch is worked out, other steps and interventions in its field wait.

use std::{future::Future, sync::Arc};

use psi_api::Cause;
use psi_replica::{Batch, FieldName, Now, Replica, Step, Token, WriteError};
use tonic::Code;

use super::{inputs::Inputs, ops::Ops, readiness::stopping};
use crate::{sessions::options::CallOptions, shared::Shared};

/// What takes longer is worked out beside the replica. Far below the 50 ms that a peer's frames may wait.
const HELD_NS_MAX: u64 = 5_000_000;

/// Steps that were taken in, with a token that covers them.
pub(crate) struct Taken {
    pub(crate) steps: Vec<Step>,
    pub(crate) token: Token,
}

impl Taken {
    /// Under the replica's lock, so that watchers are told in order.
    fn new(shared: &Shared, replica: &Replica, field: &FieldName, inputs: &Inputs, steps: Vec<Step>) -> Self {
        shared.watchers.accepted(field, &steps, inputs.iter());
        Self { steps, token: replica.token() }
    }
}

impl Ops {
    /// Takes steps in, as one write, if that can be done at once: `None` if it would take long, or must wait.
    pub(crate) fn take_now(&self, field: &FieldName, inputs: &Inputs) -> Option<Result<Taken, WriteError>> {
        match take_at_once(&self.shared, field, inputs) {
            Err(WriteError::Busy(_)) => None,
            taken => taken.transpose(),
        }
    }

    /// Takes steps in, as one write.
    pub(crate) async fn take(
        &self,
        field: &FieldName,
        inputs: &Arc<Inputs>,
        options: &CallOptions,
    ) -> Result<Taken, Cause> {
        let shared = &self.shared;
        loop {
            let at_once = self.unless_busy(options, || std::future::ready(take_at_once(shared, field, inputs))).await?;
            if let Some(taken) = at_once {
                return Ok(taken);
            }
            let beside = || take_beside(Arc::clone(shared), field.clone(), Arc::clone(inputs));
            match self.unless_busy(options, beside).await {
                // It was reset: the same steps in the new epoch.
                Err(Refused::Write(WriteError::Overtaken(_))) => {}
                taken => return Ok(taken?),
            }
        }
    }

    /// Writes, once no batch is worked out in the field.
    pub(crate) async fn unless_busy<R, F: Future<Output = Result<R, WriteError>>>(
        &self,
        options: &CallOptions,
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
                () = tokio::time::sleep_until(options.deadline) => return Err(Refused::Other(busy_still(&field, options))),
                () = self.shared.stop.cancelled() => {
                    return Err(stopping().into());
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

/// `None` for a batch that would hold the lock for long.
fn take_at_once(shared: &Shared, field: &FieldName, inputs: &Inputs) -> Result<Option<Taken>, WriteError> {
    shared.write(|replica, now| {
        let steps = match inputs {
            Inputs::One(input) => vec![replica.step(now, field, input)?],
            Inputs::Batch(batch) if replica.cost_ns(field, batch.len()) > HELD_NS_MAX => return Ok(None),
            Inputs::Batch(_) => replica.step_batch(now, field, &slices(inputs))?,
        };
        Ok(Some(Taken::new(shared, replica, field, inputs, steps)))
    })
}

/// A batch that is worked out: its field is given back though a panic cuts the work short.
struct Lent<'a> {
    shared: &'a Shared,
    batch: Option<Batch>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            // Nothing comes of what was not worked out to its end.
            let _ = self.shared.write(|replica, now| replica.finish_batch(now, batch));
        }
        // Whoever waits for the field.
        self.shared.wake_links();
    }
}

/// Once it has begun it comes to its end, though its caller leaves: the field is lent until then.
async fn take_beside(shared: Arc<Shared>, field: FieldName, inputs: Arc<Inputs>) -> Result<Taken, WriteError> {
    let work = move || {
        let begin = |replica: &mut Replica, now: Now| replica.begin_batch(now, &field, &slices(&inputs));
        let mut lent = Lent { shared: &shared, batch: Some(shared.write(begin)?) };
        lent.batch.as_mut().map(Batch::run);
        let batch = lent.batch.take();
        shared.write(|replica, now| {
            let steps = batch.map_or(Ok(Vec::new()), |batch| replica.finish_batch(now, batch))?;
            Ok(Taken::new(&shared, replica, &field, &inputs, steps))
        })
    };
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|ended| match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(stopping()),
    })
}

fn slices(inputs: &Inputs) -> Vec<&[f64]> {
    inputs.iter().map(Vec::as_slice).collect()
}

fn busy_still(field: &FieldName, options: &CallOptions) -> Cause {
    let waited = options.timeout.as_millis();
    let message = format!(
        "after {waited} ms a batch of steps is still being worked out in field `{field}` on this node; nothing was taken: \
         ask again or another node, or with a longer deadline"
    );
    Cause::new(Code::DeadlineExceeded, "FIELD_BUSY", message).with("field", field).with("waited_ms", waited)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use psi_replica::NodeId;

    use super::*;
    use crate::settings::{Addresses, Settings};

    #[test]
    fn a_field_is_given_back_though_the_work_on_its_batch_panics() {
        let settings = Settings { replication: false, ..Settings::new(NodeId::new("n").expect("a name")) };
        let nowhere = settings.grpc.listen;
        let shared = Shared::new(settings, Addresses { grpc: nowhere, http: nowhere, gossip: nowhere }, None);
        let field = FieldName::default_field();
        shared.write(Replica::tick);
        let input: &[f64] = &[0.5; 16];
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let batch = shared.write(|replica, now| replica.begin_batch(now, &field, &[input])).expect("it is ready");
            let _lent = Lent { shared: &shared, batch: Some(batch) };
            let busy = shared.write(|replica, now| replica.step(now, &field, input)).expect_err("it is lent");
            assert_eq!(busy, WriteError::Busy(field.clone()));
            std::panic::resume_unwind(Box::new("in the middle of it"));
        }));
        assert!(worked.is_err());
        let step = shared.write(|replica, now| replica.step(now, &field, input)).expect("it was given back");
        assert_eq!(step.k, 1, "nothing came of the batch");
    }
}
