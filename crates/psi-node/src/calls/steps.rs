//! Steps, from a call to its answer.

pub(crate) mod inputs;
mod intake;
mod remarks;

use std::{sync::Arc, time::Instant};

use futures_util::future::Either;
use psi_api::Cause;
use psi_ledger::{body, record::Kind};
use psi_replica::FieldName;
use psi_state::{OutcomeReport, Step};
use tracing::Instrument;

use self::{
    inputs::{StepCall, content_of_steps},
    intake::WrittenSteps,
    remarks::CheckedSteps,
};
use super::{
    admission::Admission,
    answer::{StepReceipt, WriteAnswer},
    ops::{Ops, of_another_kind},
    pending::{CallFuture, PendingWrite, ready_now},
    readiness::stopping,
};
use crate::sessions::{
    options::{CallOptions, RequestedOptions},
    requests::Ticket,
};

impl Ops {
    /// Checked options of a call that came now.
    pub(crate) fn options(&self, requested: RequestedOptions) -> Result<CallOptions, Cause> {
        self.record_refusal(requested.check())
    }

    /// Scores and absorbs vectors, a batch as one write; waits for what the options say. At least one is answered.
    pub(crate) async fn step(&self, call: StepCall, options: CallOptions) -> Result<Vec<StepReceipt>, Cause> {
        let pending = self.accept_steps(call, options).await?;
        self.settle_steps(pending).await
    }

    /// The first half of [`Ops::step`]: once it is through, the steps are counted.
    ///
    /// Most calls are done at once. They do without the future that has room for everything that a call may wait for:
    /// it takes some kilobytes, which each call would move about.
    pub(crate) fn accept_steps(
        &self,
        mut call: StepCall,
        options: CallOptions,
    ) -> CallFuture<'_, Result<PendingWrite, Cause>> {
        let (field, reports) = match self.record_refusal(self.check_steps(&call)) {
            Ok(checked) => checked,
            Err(cause) => return ready_now(self.record_call(Err(cause))),
        };
        if call.guardian {
            call.inputs.condition();
        }
        if options.are_met_at_once() {
            let begun = Instant::now();
            if let Some(written) = self.write_now(&field, &call.inputs, &reports) {
                let written = written.map_err(|error| Cause::from(&error));
                return ready_now(self.record_call(self.finish_steps(&field, &options, None, begun, written)));
            }
        }
        Either::Right(Box::pin(
            async move { self.record_call(self.accept_in_turn((field, reports), call, options).await) },
        ))
    }

    /// Counts a call that was accepted, or not.
    fn record_call(&self, accepted: Result<PendingWrite, Cause>) -> Result<PendingWrite, Cause> {
        self.context.metrics.record_step_call(accepted.as_ref().err());
        accepted
    }

    /// Admits a call, and carries it out once no batch of the field is in its way.
    async fn accept_in_turn(
        &self,
        (field, reports): (FieldName, Vec<Option<OutcomeReport>>),
        call: StepCall,
        options: CallOptions,
    ) -> Result<PendingWrite, Cause> {
        let content = |hasher: &_| content_of_steps(hasher, &field, &call);
        let ticket = match self.admit(&options, content).await? {
            Admission::First(ticket) => ticket,
            Admission::Answered(pending) => return Ok(pending),
        };
        let is_batch = call.inputs.is_batch();
        let steps = CheckedSteps { inputs: call.inputs, reports };
        let work = self.clone().carry_out(field, steps, options, ticket);
        if !is_batch {
            return work.await;
        }
        // A batch may be computed beside the replica. It is absorbed even if its caller leaves meanwhile, and then
        // its answer must be cached too.
        let ended = tokio::spawn(work.in_current_span()).await;
        ended.unwrap_or_else(|ended| match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(self.record_cause(Cause::from(&stopping()))),
        })
    }

    /// Carries out admitted steps.
    async fn carry_out(
        self,
        field: FieldName,
        steps: CheckedSteps,
        options: CallOptions,
        ticket: Option<Ticket<WriteAnswer>>,
    ) -> Result<PendingWrite, Cause> {
        let begun = Instant::now();
        let written = self.write_in_turn(&field, &Arc::new(steps), &options).await;
        self.finish_steps(&field, &options, ticket, begun, written)
    }

    /// Counts steps that were absorbed or refused, and makes their answer.
    fn finish_steps(
        &self,
        field: &FieldName,
        options: &CallOptions,
        ticket: Option<Ticket<WriteAnswer>>,
        begun: Instant,
        written: Result<WrittenSteps, Cause>,
    ) -> Result<PendingWrite, Cause> {
        self.context.metrics.record_step_time(begun.elapsed());
        let WrittenSteps { steps, token } = self.record_refusal(written)?;
        if let Some(step) = self.context.metrics.record_steps(field, &steps) {
            let (severity, k) = (step.drift.severity(), step.k);
            tracing::warn!(%field, severity, k, "drift: the inputs no longer come from where the baseline came from");
        }
        for step in &steps {
            self.record_guardian_action(field, step);
        }
        let receipt = |step| StepReceipt { step, field: field.clone(), token: String::new(), replicated: None };
        let mut steps: Vec<StepReceipt> = steps.into_iter().map(receipt).collect();
        if let Some(last) = steps.last_mut() {
            last.token = String::from(&token);
        }
        Ok(self.pending_write(options, ticket, WriteAnswer::Steps(steps)))
    }

    /// The second half: waits for their replication.
    pub(crate) async fn settle_steps(&self, pending: PendingWrite) -> Result<Vec<StepReceipt>, Cause> {
        match pending.settle(&self.context).await {
            WriteAnswer::Steps(steps) => Ok(steps),
            WriteAnswer::Intervention(_) => Err(self.record_cause(of_another_kind())),
        }
    }

    /// Records what the guardian did after a step. The threat may be an earlier step's: a red flag waits for the
    /// cooldown.
    fn record_guardian_action(&self, field: &FieldName, step: &Step) {
        let Some((action, threat)) = step.intervened else { return };
        self.context.metrics.record_guardian_intervention(action, threat);
        tracing::info!(%field, %action, red_flag = threat.as_str(), k = step.k, "the guardian answered the red flag");
        let body = body::Action {
            method: "guardian".to_owned(),
            object: field.to_string(),
            action: format!("{action} for {} at step {}", threat.as_str(), step.k),
            ..body::Action::default()
        };
        self.context.record_own(Kind::Intervention, &body);
    }
}
