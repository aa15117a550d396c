//! What gRPC and HTTP both do: one function an operation, one kind of error. Here are steps, reads and interventions.

pub(crate) mod fields;

use std::{slice, sync::Arc, time::Instant};

use futures_util::future::Either;
use psi_api::Cause;
use psi_engine::Action;
use psi_replica::{CurrentSpec, FieldName, FieldView, NotReady, Replica, Step, WriteError};
use tokio::sync::broadcast::Receiver;
use tracing::Instrument;

use crate::{
    pending::{self, Admitted, Answer, AtOnceOr, Intervened, Pending, at_once},
    replicated::Replicated,
    requests::Ticket,
    shared::Shared,
    steps::Taken,
    terms::{Terms, Wishes},
    watchers::Accepted,
};

/// The operations of a node.
#[derive(Clone)]
pub(crate) struct Ops {
    pub(crate) shared: Arc<Shared>,
}

/// An accepted step, with what else its answer tells.
#[derive(Clone, Debug)]
pub(crate) struct Stepped {
    pub(crate) step: Step,
    pub(crate) field: FieldName,
    /// Of a batch, the last step has it.
    pub(crate) token: String,
    /// Likewise; `None` if no level was asked for.
    pub(crate) replicated: Option<Replicated>,
}

/// A step or a batch as a client asked for it.
#[derive(Clone, Debug)]
pub(crate) struct StepCall {
    /// Empty means `default`.
    pub(crate) field: String,
    pub(crate) inputs: Inputs,
    /// Whether the inputs are conditioned first.
    pub(crate) guardian: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Inputs {
    One(Vec<f64>),
    Batch(Vec<Vec<f64>>),
}

impl Inputs {
    pub(crate) fn is_batch(&self) -> bool {
        matches!(self, Self::Batch(_))
    }

    pub(crate) fn iter(&self) -> slice::Iter<'_, Vec<f64>> {
        match self {
            Self::One(input) => slice::from_ref(input).iter(),
            Self::Batch(inputs) => inputs.iter(),
        }
    }

    fn condition(&mut self) {
        let inputs = match self {
            Self::One(input) => slice::from_mut(input),
            Self::Batch(inputs) => inputs.as_mut_slice(),
        };
        inputs.iter_mut().for_each(|input| psi_engine::guardian::condition(input));
    }
}

impl Ops {
    /// Terms as of now.
    pub(crate) fn terms(&self, wishes: Wishes) -> Result<Terms, Cause> {
        self.counted(wishes.read())
    }

    /// Scores vectors and takes them in, a batch as one write; waits for what the terms say. At least one is answered.
    pub(crate) async fn step(&self, call: StepCall, terms: Terms) -> Result<Vec<Stepped>, Cause> {
        let pending = self.accept_steps(call, terms).await?;
        self.settled_steps(pending).await
    }

    /// The first half of [`Ops::step`]: once it is through, the steps are counted.
    ///
    /// What most calls ask for is done at once, without a future that has room for all that a call may have to wait for:
    /// that takes some kilobytes, which would be moved about with each call.
    pub(crate) fn accept_steps(&self, mut call: StepCall, terms: Terms) -> AtOnceOr<'_, Result<Pending, Cause>> {
        let field = match self.counted(field_name(&call.field)) {
            Ok(field) => field,
            Err(cause) => return at_once(self.called(Err(cause))),
        };
        if call.guardian {
            call.inputs.condition();
        }
        if terms.are_met_at_once() {
            let begun = Instant::now();
            if let Some(taken) = self.take_now(&field, &call.inputs) {
                let taken = taken.map_err(|error| Cause::from(&error));
                return at_once(self.called(self.accepted(&field, &terms, None, begun, taken)));
            }
        }
        Either::Right(Box::pin(async move { self.called(self.accept_in_turn(field, call, terms).await) }))
    }

    /// Counts a call that was accepted, or not.
    fn called(&self, accepted: Result<Pending, Cause>) -> Result<Pending, Cause> {
        self.shared.metrics.record_step_call(accepted.as_ref().err());
        accepted
    }

    /// Lets a call in once its token is reached, unless it was answered before, and carries it out once no batch is in its
    /// way.
    async fn accept_in_turn(&self, field: FieldName, call: StepCall, terms: Terms) -> Result<Pending, Cause> {
        let content = |hasher: &_| pending::content_of_steps(hasher, &field, &call);
        let ticket = match self.admitted(&terms, content).await? {
            Admitted::First(ticket) => ticket,
            Admitted::Answered(pending) => return Ok(pending),
        };
        let is_batch = call.inputs.is_batch();
        let carried = self.clone().carry_out(field, call.inputs, terms, ticket);
        if !is_batch {
            return carried.await;
        }
        // A batch may be worked out beside the replica, and is taken in though its caller leaves meanwhile: then it must
        // be remembered too.
        let ended = tokio::spawn(carried.in_current_span()).await;
        ended.unwrap_or_else(|ended| match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(self.refused(pending::stopping())),
        })
    }

    /// Takes steps in, once they are admitted.
    async fn carry_out(
        self,
        field: FieldName,
        inputs: Inputs,
        terms: Terms,
        ticket: Option<Ticket<Answer>>,
    ) -> Result<Pending, Cause> {
        let begun = Instant::now();
        let taken = self.take(&field, &Arc::new(inputs), &terms).await;
        self.accepted(&field, &terms, ticket, begun, taken)
    }

    /// Counts steps that were taken in, or refused, and makes their answer.
    fn accepted(
        &self,
        field: &FieldName,
        terms: &Terms,
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
        Ok(self.taken(terms, ticket, Answer::Steps(steps)))
    }

    /// The second half: waits for their replication.
    pub(crate) async fn settled_steps(&self, pending: Pending) -> Result<Vec<Stepped>, Cause> {
        match pending.settled(&self.shared).await {
            Answer::Steps(steps) => Ok(steps),
            Answer::Intervention(_) => Err(self.refused(pending::of_another_kind())),
        }
    }

    /// Notes what the guardian did after a step. The threat may be an earlier step's: a red flag waits for the cooldown.
    fn tell_intervened(&self, field: &FieldName, step: &Step) {
        let Some((action, threat)) = step.intervened else { return };
        self.shared.metrics.record_guardian_intervention(action, threat);
        tracing::info!(%field, %action, red_flag = threat.as_str(), k = step.k, "the guardian answered the red flag");
    }

    /// [`Ops::state`], once the terms' token is reached.
    pub(crate) async fn state_after(&self, field: &str, terms: &Terms) -> Result<(FieldView, String), Cause> {
        self.counted(self.reach(terms).await)?;
        self.counted(self.state(field))
    }

    /// The field as all nodes' entries make it, and a token for it.
    pub(crate) fn state(&self, field: &str) -> Result<(FieldView, String), Cause> {
        let field = field_name(field)?;
        self.shared.read(|replica| {
            readable(replica)?;
            let view = replica.view(&field).ok_or_else(|| unknown(replica, &field))?;
            Ok((view, replica.token().to_string()))
        })
    }

    /// The field, and the steps of it that this node accepts from now on.
    pub(crate) fn watch_steps(&self, field: &str) -> Result<(CurrentSpec, Receiver<Arc<Accepted>>), Cause> {
        let name = field_name(field)?;
        let (view, _) = self.state(field)?;
        let accepted = self.shared.watchers.watch(&name, view.spec.spec.setup.shape.width);
        // Once more: it may have been reset just before the watch began.
        let (view, _) = self.state(field)?;
        Ok((view.spec, accepted))
    }

    /// Every field.
    pub(crate) fn fields(&self) -> Result<Vec<CurrentSpec>, Cause> {
        self.shared.read(|replica| {
            readable(replica)?;
            Ok(replica.field_names().filter_map(|name| Some(replica.view(&name)?.spec)).collect())
        })
    }

    /// Intervenes by hand.
    pub(crate) async fn intervene(&self, field: &str, action: Action, terms: Terms) -> Result<Intervened, Cause> {
        let field = self.counted(field_name(field))?;
        let content = |hasher: &_| pending::content_of_intervention(hasher, &field, action);
        let pending = match self.admitted(&terms, content).await? {
            Admitted::Answered(pending) => pending,
            Admitted::First(ticket) => {
                let write = |replica: &mut Replica, now| {
                    Ok((replica.intervene(now, &field, action)?, replica.token().to_string()))
                };
                let written = self.unless_busy(&terms, || std::future::ready(self.shared.write(write))).await;
                let (intervention, token) = self.counted(written.map_err(Cause::from))?;
                self.shared.metrics.record_intervention(action);
                tracing::info!(%field, %action, noise = intervention.noise, "intervention");
                let intervened = Intervened { intervention, token, replicated: None };
                self.taken(&terms, ticket, Answer::Intervention(intervened))
            }
        };
        match pending.settled(&self.shared).await {
            Answer::Intervention(intervened) => Ok(intervened),
            Answer::Steps(_) => Err(self.refused(pending::of_another_kind())),
        }
    }

    /// A write, and a token that covers it.
    fn write<R>(
        &self,
        change: impl FnOnce(&mut Replica, psi_replica::Now) -> Result<R, WriteError>,
    ) -> Result<(R, String), Cause> {
        let write = |replica: &mut Replica, now| Ok((change(replica, now)?, replica.token().to_string()));
        self.shared.write(write).map_err(|error: WriteError| self.refused(Cause::from(&error)))
    }

    fn counted<T>(&self, result: Result<T, Cause>) -> Result<T, Cause> {
        result.map_err(|cause| self.refused(cause))
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, cause: Cause) -> Cause {
        self.shared.metrics.record_refusal(cause.reason);
        cause
    }
}

/// The name of a field that a client gave; empty means `default`.
pub(crate) fn field_name(name: &str) -> Result<FieldName, Cause> {
    if name.is_empty() {
        return Ok(FieldName::default_field());
    }
    FieldName::new(name).map_err(|error| Cause::from(&error))
}

/// A node that has not caught up would show too little.
fn readable(replica: &Replica) -> Result<(), Cause> {
    match replica.may_write() {
        Err(error @ NotReady::Joining(_)) => Err(Cause::from(&WriteError::NotReady(error))),
        _ => Ok(()),
    }
}

fn unknown(replica: &Replica, field: &FieldName) -> Cause {
    let known = replica.field_names().take(psi_replica::FIELDS_SHOWN).collect();
    Cause::from(&WriteError::UnknownField { field: field.clone(), known })
}
