//! How steps get into the replica: at once under its lock or, if that would take long, beside it.
//!
//! The lock is never held for longer than [`LOCK_NS_MAX`] or one step, so gossip and replication go on whatever
//! clients send. While a batch is computed, other steps and interventions in its field wait.

use std::{future::Future, sync::Arc};

use psi_api::Cause;
use psi_replica::{FieldName, Now, Token};
use psi_state::{Batch, OutcomeReport, Replica, Step, WriteError};
use tonic::Code;

use super::{inputs::Inputs, remarks::CheckedSteps};
use crate::calls::{ops::Ops, readiness::stopping};
use crate::{node::context::NodeContext, sessions::options::CallOptions};

/// A longer batch is computed beside the replica. Far below the 50 ms that a peer's frames may wait.
const LOCK_NS_MAX: u64 = 5_000_000;

/// Absorbed steps, with a token that covers them.
pub(crate) struct WrittenSteps {
    pub(crate) steps: Vec<Step>,
    pub(crate) token: Token,
}

impl WrittenSteps {
    /// Under the replica's lock, so that watchers get the steps in order.
    fn new(context: &NodeContext, replica: &Replica, field: &FieldName, inputs: &Inputs, steps: Vec<Step>) -> Self {
        context.watchers.publish(field, &steps, inputs.iter());
        Self { steps, token: replica.token() }
    }
}

impl Ops {
    /// Absorbs steps as one write, if that can be done at once; `None` if it would take long, or must wait.
    pub(crate) fn write_now(
        &self,
        field: &FieldName,
        inputs: &Inputs,
        reports: &[Option<OutcomeReport>],
    ) -> Option<Result<WrittenSteps, WriteError>> {
        match write_at_once(&self.context, field, (inputs, reports)) {
            Err(WriteError::Busy(_)) => None,
            written => written.transpose(),
        }
    }

    /// Absorbs steps as one write.
    pub(crate) async fn write_in_turn(
        &self,
        field: &FieldName,
        steps: &Arc<CheckedSteps>,
        options: &CallOptions,
    ) -> Result<WrittenSteps, Cause> {
        let context = &self.context;
        loop {
            let (inputs, reports) = (&steps.inputs, &steps.reports[..]);
            let write = || std::future::ready(write_at_once(context, field, (inputs, reports)));
            let at_once = self.when_free(options, write).await?;
            if let Some(written) = at_once {
                return Ok(written);
            }
            let beside = || write_beside(Arc::clone(context), field.clone(), Arc::clone(steps));
            match self.when_free(options, beside).await {
                // It was reset: the same steps in the new epoch.
                Err(WriteFailure::Write(WriteError::Overtaken(_))) => {}
                written => return Ok(written?),
            }
        }
    }

    /// Writes, once no batch is in progress in the field.
    pub(crate) async fn when_free<R, F: Future<Output = Result<R, WriteError>>>(
        &self,
        options: &CallOptions,
        mut write: impl FnMut() -> F,
    ) -> Result<R, WriteFailure> {
        let mut changes = self.context.changes();
        loop {
            changes.mark_unchanged();
            let field = match write().await {
                Err(WriteError::Busy(field)) => field,
                result => return result.map_err(WriteFailure::Write),
            };
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(options.deadline) => {
                    return Err(WriteFailure::Other(still_busy(&field, options)));
                }
                () = self.context.stop.cancelled() => return Err(stopping().into()),
            }
        }
    }
}

/// Why a write was not carried out.
pub(crate) enum WriteFailure {
    Write(WriteError),
    Other(Cause),
}

impl From<WriteError> for WriteFailure {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl From<WriteFailure> for Cause {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::Write(error) => Self::from(&error),
            WriteFailure::Other(cause) => cause,
        }
    }
}

/// `None` for a batch that would hold the lock for long.
fn write_at_once(
    context: &NodeContext,
    field: &FieldName,
    (inputs, reports): (&Inputs, &[Option<OutcomeReport>]),
) -> Result<Option<WrittenSteps>, WriteError> {
    context.write(|replica, now| {
        let steps = match inputs {
            Inputs::One(input) => {
                let report = reports.first().and_then(Option::as_ref);
                vec![replica.step_with_outcome(now, field, input, report)?]
            }
            Inputs::Batch(batch) if replica.cost_ns(field, batch.len()) > LOCK_NS_MAX => return Ok(None),
            Inputs::Batch(_) => replica.step_batch_with_outcomes(now, field, &slices(inputs), reports)?,
        };
        Ok(Some(WrittenSteps::new(context, replica, field, inputs, steps)))
    })
}

/// A batch in progress; its field is given back even if the computation panics.
struct BatchGuard<'a> {
    context: &'a NodeContext,
    batch: Option<Batch>,
}

impl Drop for BatchGuard<'_> {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            // An unfinished batch changes nothing.
            let _ = self.context.write(|replica, now| replica.finish_batch(now, batch));
        }
        // Calls that wait for the field.
        self.context.wake_links();
    }
}

/// A batch that has begun comes to its end even if its caller leaves; its field is checked out until then.
async fn write_beside(
    context: Arc<NodeContext>,
    field: FieldName,
    steps: Arc<CheckedSteps>,
) -> Result<WrittenSteps, WriteError> {
    let work = move || {
        let CheckedSteps { inputs, reports } = &*steps;
        let begin =
            |replica: &mut Replica, now: Now| replica.begin_batch_with_outcomes(now, &field, &slices(inputs), reports);
        let mut guard = BatchGuard { context: &context, batch: Some(context.write(begin)?) };
        guard.batch.as_mut().map(Batch::run);
        let batch = guard.batch.take();
        context.write(|replica, now| {
            let steps = batch.map_or(Ok(Vec::new()), |batch| replica.finish_batch(now, batch))?;
            Ok(WrittenSteps::new(&context, replica, &field, inputs, steps))
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

fn still_busy(field: &FieldName, options: &CallOptions) -> Cause {
    let waited = options.timeout.as_millis();
    let message = format!(
        "after {waited} ms this node is still computing a batch of steps in field `{field}`; nothing was written: retry, try \
         another node, or allow a longer deadline"
    );
    Cause::new(Code::DeadlineExceeded, "FIELD_BUSY", message).with("field", field).with("waited_ms", waited)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use psi_replica::NodeId;

    use super::*;
    use crate::{
        node::identity::Identity,
        settings::{Addresses, Settings},
    };

    #[test]
    fn a_field_is_given_back_though_the_work_on_its_batch_panics() {
        let settings = Settings { replication: false, ..Settings::new(NodeId::new("n").expect("a name")) };
        let nowhere = settings.grpc.listen;
        let context = NodeContext::new(
            settings,
            Identity::without_key(),
            Addresses { grpc: nowhere, http: nowhere, gossip: nowhere },
            (None, crate::governance::ledger::store::LedgerStore::in_memory()),
        );
        let field = FieldName::default_field();
        context.write(|replica, now| replica.tick(now));
        let input: &[f64] = &[0.5; 16];
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let batch = context.write(|replica, now| replica.begin_batch(now, &field, &[input])).expect("it is ready");
            let _guard = BatchGuard { context: &context, batch: Some(batch) };
            let busy =
                context.write(|replica, now| replica.step(now, &field, input)).expect_err("the field is checked out");
            assert_eq!(busy, WriteError::Busy(field.clone()));
            std::panic::resume_unwind(Box::new("in the middle of it"));
        }));
        assert!(worked.is_err());
        let step = context.write(|replica, now| replica.step(now, &field, input)).expect("it was given back");
        assert_eq!(step.k, 1, "nothing came of the batch");
    }
}
