//! Steps, from a call to its answer.

use std::{sync::Arc, time::Instant};

use futures_util::future::Either;
use psi_api::Cause;
use psi_replica::{FieldName, Step};
use tracing::Instrument;

use super::{
    admission::Admitted,
    answer::{Answer, Stepped},
    inputs::{Inputs, StepCall, content_of_steps},
    intake::Taken,
    ops::{Ops, field_name, of_another_kind},
    pending::{AtOnceOr, Pending, at_once},
    readiness::stopping,
};
use crate::sessions::{
    options::{CallOptions, RequestedOptions},
    requests::Ticket,
};

impl Ops {
    /// Checked options of a call that came now.
    pub(crate) fn options(&self, requested: RequestedOptions) -> Result<CallOptions, Cause> {
        self.counted(requested.check())
    }

    /// Scores vectors and takes them in, a batch as one write; waits for what the options say. At least one is answered.
    pub(crate) async fn step(&self, call: StepCall, options: CallOptions) -> Result<Vec<Stepped>, Cause> {
        let pending = self.accept_steps(call, options).await?;
        self.settled_steps(pending).await
    }

    /// The first half of [`Ops::step`]: once it is through, the steps are counted.
    ///
    /// What most calls ask for is done at once, without a future that has room for all that a call may have to wait for:
    /// that takes some kilobytes, which would be moved about with each call.
    pub(crate) fn accept_steps(
        &self,
        mut call: StepCall,
        options: CallOptions,
    ) -> AtOnceOr<'_, Result<Pending, Cause>> {
        let field = match self.counted(field_name(&call.field)) {
            Ok(field) => field,
            Err(cause) => return at_once(self.called(Err(cause))),
        };
        if call.guardian {
            call.inputs.condition();
        }
        if options.are_met_at_once() {
            let begun = Instant::now();
            if let Some(taken) = self.take_now(&field, &call.inputs) {
                let taken = taken.map_err(|error| Cause::from(&error));
                return at_once(self.called(self.accepted(&field, &options, None, begun, taken)));
            }
        }
        Either::Right(Box::pin(async move { self.called(self.accept_in_turn(field, call, options).await) }))
    }

    /// Counts a call that was accepted, or not.
    fn called(&self, accepted: Result<Pending, Cause>) -> Result<Pending, Cause> {
        self.shared.metrics.record_step_call(accepted.as_ref().err());
        accepted
    }

    /// Lets a call in once its token is reached, unless it was answered before, and carries it out once no batch is in its
    /// way.
    async fn accept_in_turn(&self, field: FieldName, call: StepCall, options: CallOptions) -> Result<Pending, Cause> {
        let content = |hasher: &_| content_of_steps(hasher, &field, &call);
        let ticket = match self.admitted(&options, content).await? {
            Admitted::First(ticket) => ticket,
            Admitted::Answered(pending) => return Ok(pending),
        };
        let is_batch = call.inputs.is_batch();
        let carried = self.clone().carry_out(field, call.inputs, options, ticket);
        if !is_batch {
            return carried.await;
        }
        // A batch may be worked out beside the replica, and is taken in though its caller leaves meanwhile: then it must
        // be remembered too.
        let ended = tokio::spawn(carried.in_current_span()).await;
        ended.unwrap_or_else(|ended| match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(self.refused(Cause::from(&stopping()))),
        })
    }

    /// Takes steps in, once they are admitted.
    async fn carry_out(
        self,
        field: FieldName,
        inputs: Inputs,
        options: CallOptions,
        ticket: Option<Ticket<Answer>>,
    ) -> Result<Pending, Cause> {
        let begun = Instant::now();
        let taken = self.take(&field, &Arc::new(inputs), &options).await;
        self.accepted(&field, &options, ticket, begun, taken)
    }

    /// Counts steps that were taken in, or refused, and makes their answer.
    fn accepted(
        &self,
        field: &FieldName,
        options: &CallOptions,
        ticket: Option<Ticket<Answer>>,
        begun: Instant,
        taken: Result<Taken, Cause>,
    ) -> Result<Pending, Cause> {
        self.shared.metrics.record_step_time(begun.elapsed());
        let Taken { steps, token } = self.counted(taken)?;
        self.shared.metrics.record_steps(steps.len());
        for step in &steps {
            self.tell_intervened(field, step);
        }
        let stepped = |step| Stepped { step, field: field.clone(), token: String::new(), replicated: None };
        let mut steps: Vec<Stepped> = steps.into_iter().map(stepped).collect();
        if let Some(last) = steps.last_mut() {
            last.token = String::from(&token);
        }
        Ok(self.taken(options, ticket, Answer::Steps(steps)))
    }

    /// The second half: waits for their replication.
    pub(crate) async fn settled_steps(&self, pending: Pending) -> Result<Vec<Stepped>, Cause> {
        match pending.settled(&self.shared).await {
            Answer::Steps(steps) => Ok(steps),
            Answer::Intervention(_) => Err(self.refused(of_another_kind())),
        }
    }

    /// Notes what the guardian did after a step. The threat may be an earlier step's: a red flag waits for the cooldown.
    fn tell_intervened(&self, field: &FieldName, step: &Step) {
        let Some((action, threat)) = step.intervened else { return };
        self.shared.metrics.record_guardian_intervention(action, threat);
        tracing::info!(%field, %action, red_flag = threat.as_str(), k = step.k, "the guardian answered the red flag");
    }
}
