//! Rollouts: what callers do with them.

mod events;
mod plans;
mod reads;
mod remediation;
mod states;

use std::time::Instant;

use psi_api::{Cause, v1};
use psi_ledger::record::Kind;
use psi_quorum::Register;
use psi_rollout::{
    Change, ChangeError, Command, Force, Model, ModelEvent, ModelName, Plan, Record, Refusal, RolloutId, Stage, Status,
    VersionName,
    model::{ACTOR_BYTES_MAX, REASON_BYTES_MAX},
};
use tonic::Code;

use super::{processes::deadline, registers::kept_register};
use crate::{
    calls::{ops::Ops, readiness::writable},
    governance::rollout::{
        decide::{DecisionError, decide},
        drift::{column_obstacle, field_obstacle},
        facts::{KnownFacts, now_ms},
        models::{MODEL_PREFIX, register_name},
        refresh::{refresh_one, write_rollback},
        rollbacks::cut,
    },
};

/// Most models of a cluster.
const MODELS_MAX: usize = 256;

/// Why something is asked for, and by when.
struct ChangeRequest {
    reason: String,
    is_forced: bool,
    until: Instant,
}

impl ChangeRequest {
    fn new((reason, is_forced, deadline_ms): (String, bool, u32)) -> Result<Self, Cause> {
        if is_forced {
            Force::new(&reason).map_err(bad)?;
        }
        if reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
            let bytes = reason.len();
            let message = format!("the reason has {bytes} bytes: give one line of at most {REASON_BYTES_MAX}");
            return Err(bad(message).with("got", bytes).with("limit", REASON_BYTES_MAX));
        }
        Ok(Self { reason, is_forced, until: deadline(deadline_ms) })
    }

    fn change(&self, ops: &Ops, event: ModelEvent) -> Change {
        let actor = cut(&ops.actor().to_string(), ACTOR_BYTES_MAX);
        let (reason, is_forced) = (self.reason.clone(), self.is_forced);
        Change { event, at_ms: now_ms(&ops.context), actor, reason, is_forced }
    }
}

impl Ops {
    /// Says that a version comes to a stage.
    pub(crate) async fn set_stage(&self, request: v1::SetStageRequest) -> Result<v1::ModelState, Cause> {
        let v1::SetStageRequest { model, version, stage, reason, forced, deadline_ms } = request;
        self.record_action_on(&format!("{model}@{version} {stage}"), &reason);
        let set = async {
            let (model, version) = (model_name(&model)?, VersionName::new(&version).map_err(bad)?);
            psi_rollout::ModelVersion::new(model.clone(), version.clone()).map_err(bad)?;
            let stage: Stage = stage.parse().map_err(bad)?;
            let request = ChangeRequest::new((reason, forced, deadline_ms))?;
            if stage == Stage::Production {
                self.check_field_of(&model, &version)?;
            }
            let change = request.change(self, ModelEvent::Staging { version, stage });
            self.decide_model(&model, |_| Ok(change.clone()), request.until).await?;
            self.known_model(&model)
        };
        let set = set.await;
        Ok(self.model_message(&*self.record_refusal(set)?))
    }

    /// Begins a rollout.
    pub(crate) async fn start_rollout(&self, request: v1::StartRolloutRequest) -> Result<v1::Rollout, Cause> {
        let v1::StartRolloutRequest { model, version, plan, reason, forced, deadline_ms } = request;
        self.record_action_on(&format!("{model}@{version}"), &reason);
        let started = async {
            let (model, canary) = (model_name(&model)?, VersionName::new(&version).map_err(bad)?);
            let plan = Plan::new(&plan.unwrap_or_default().into()).map_err(bad)?;
            let request = ChangeRequest::new((reason, forced, deadline_ms))?;
            let known = self.known_model(&model)?;
            self.check_field_of(&model, &canary)?;
            self.check_columns(&plan, &[&canary, known.model.champion().unwrap_or(&canary)], &model)?;
            let change = request.change(self, ModelEvent::Start { canary, plan, is_remedy: false });
            self.decide_model(&model, |_| Ok(change.clone()), request.until).await?;
            self.rollout_message(&*self.known_model(&model)?, "")
        };
        let started = started.await;
        self.record_refusal(started)
    }

    /// Advances, pauses, resumes, rolls back, promotes or cancels a rollout.
    pub(crate) async fn change_rollout(&self, request: v1::ChangeRolloutRequest) -> Result<v1::Rollout, Cause> {
        let v1::ChangeRolloutRequest { model, rollout, command, reason, forced, deadline_ms } = request;
        self.record_action_on(&format!("{command} {model}/{rollout}"), &reason);
        let changed = async {
            let command = command_of(&command)?;
            let request = ChangeRequest::new((reason, forced, deadline_ms))?;
            let name = model_name(&model)?;
            let known = self.known_model(&name)?;
            let current = known.model.rollout().ok_or_else(|| unknown_rollout(&name, &rollout))?;
            if !rollout.is_empty() && current.id().as_str() != rollout {
                let ended = known.model.ended().iter().find(|ended| ended.id.as_str() == rollout);
                let ended = ended.ok_or_else(|| unknown_rollout(&name, &rollout))?;
                return Err(refused(&Refusal::Ended { command, status: ended.status }.into()));
            }
            let id = current.id().clone();
            self.record_object(&format!("{command} {name}/{id}"));
            if command == Command::Rollback {
                return self.roll_back(&name, &id, &request).await;
            }
            let force = request.is_forced.then(|| Force::new(&request.reason)).transpose().map_err(bad)?;
            let change = |before: &Model| {
                let record = self.proposed(before, (&id, command), force.as_ref())?;
                Ok(request.change(self, ModelEvent::Rollout { id: id.clone(), record }))
            };
            self.decide_model(&name, change, request.until).await?;
            self.rollout_message(&*self.known_model(&name)?, "")
        };
        let changed = changed.await;
        self.record_refusal(changed)
    }

    /// What a command writes by the facts that this node knows.
    fn proposed(
        &self,
        decided: &Model,
        (id, command): (&RolloutId, Command),
        force: Option<&Force>,
    ) -> Result<Record, ChangeError> {
        // A rollback that is not decided yet ends a rollout, too.
        let before = self.context.models.as_it_counts(decided);
        let model = || before.name().clone();
        let rollout = before.rollout().ok_or_else(|| ChangeError::NoRollout { model: model() })?;
        if rollout.id() != id {
            let current = rollout.id().clone();
            return Err(ChangeError::OtherRollout { model: model(), got: id.clone(), current });
        }
        let facts = KnownFacts::of(&self.context, &before, rollout);
        Ok(rollout.propose(command, force, &facts.facts())?)
    }

    /// Writes it first, so that it counts though no majority answers.
    async fn roll_back(&self, name: &ModelName, id: &RolloutId, request: &ChangeRequest) -> Result<v1::Rollout, Cause> {
        self.context.read(writable)?;
        let known = self.known_model(name)?;
        // Another was first: it is as it should be.
        if known.model.rollout().is_some_and(|rollout| rollout.status() == Status::RolledBack) {
            return self.rollout_message(&known, "");
        }
        let event = ModelEvent::Rollout { id: id.clone(), record: Record::Rollback };
        known.model.follow(&request.change(self, event)).map_err(|error| refused(&error))?;
        write_rollback(&self.context, name, id, self.actor(), &request.reason);
        let written = tokio::time::timeout_at(request.until.into(), self.context.ledger.flushed()).await;
        let known = self.known_model(name)?;
        if written.is_err() || !self.context.models.has_rollback(&known.model) {
            return Err(unwritten(name));
        }
        // It counts all the same where no majority answers, and is decided once one does.
        if let Ok(register) = self.model_register(name).await {
            self.decide_rollback(name, &register, request.until).await;
        }
        self.rollout_message(&*self.known_model(name)?, "")
    }

    /// Refuses a version that could not answer: steps would be lost that go to it.
    fn check_field_of(&self, model: &ModelName, version: &VersionName) -> Result<(), Cause> {
        let Some(refusal) = field_obstacle(&self.context, model, version) else { return Ok(()) };
        Err(Cause::new(Code::FailedPrecondition, "ROLLOUT_REFUSED", refusal))
    }

    /// Refuses a gate on a column that a version does not have: it would hold for good.
    fn check_columns(&self, plan: &Plan, versions: &[&VersionName], model: &ModelName) -> Result<(), Cause> {
        let Some(refusal) = column_obstacle(&self.context, plan, versions, model) else { return Ok(()) };
        Err(Cause::new(Code::FailedPrecondition, "ROLLOUT_REFUSED", refusal))
    }

    async fn decide_model(
        &self,
        name: &ModelName,
        change: impl Fn(&Model) -> Result<Change, ChangeError>,
        until: Instant,
    ) -> Result<Model, Cause> {
        self.context.read(writable)?;
        let register = self.model_register(name).await?;
        self.decide_rollback(name, &register, until).await;
        decide(&self.context, &register, change, until).await.map_err(|error| match error {
            DecisionError::Refused(refusal) => refused(&refusal),
            DecisionError::Conflict(why) => conflict(name, &why),
            DecisionError::NoMajority(said) => no_majority(name, said),
        })
    }

    /// Has a rollback decided that counts and is not decided yet. What comes after follows that.
    async fn decide_rollback(&self, name: &ModelName, register: &Register, until: Instant) {
        refresh_one(&self.context, name);
        let known = self.context.models.get(name.as_str());
        let Some(written) = known.as_ref().and_then(|known| known.pending_rollback()) else { return };
        let change = |before: &Model| {
            // A person may have cancelled meanwhile what a node rolled back.
            if let ModelEvent::Rollout { id, record } = &written.event {
                self.context.models.check_step(before, (id, record))?;
            }
            Ok(written.clone())
        };
        // Another node may have been first.
        if let Err(error) = decide(&self.context, register, change, until).await {
            tracing::debug!(model = %name, "a rollback is not decided yet: {error:?}");
        }
    }

    /// The register of a model, which is made where there is none, and kept on this disk.
    async fn model_register(&self, name: &ModelName) -> Result<Register, Cause> {
        let register = register_name(name);
        let models = self.context.read(|replica| replica.registers_below(MODEL_PREFIX));
        if models.len() >= MODELS_MAX && models.iter().all(|view| view.name != register) {
            let message = format!("there are {} models, and at most {MODELS_MAX}: use another cluster", models.len());
            return Err(Cause::new(Code::ResourceExhausted, "TOO_MANY_MODELS", message).with("limit", MODELS_MAX));
        }
        kept_register(&self.context, &register, |why| conflict(name, why)).await
    }

    fn record_action_on(&self, object: &str, reason: &str) {
        self.record_object(object);
        self.record_reason(&cut(reason, REASON_BYTES_MAX));
        self.record_kind(Kind::ModelChange);
    }
}

fn model_name(name: &str) -> Result<ModelName, Cause> {
    ModelName::new(name).map_err(bad)
}

fn command_of(name: &str) -> Result<Command, Cause> {
    let found = Command::ALL.into_iter().find(|command| command.name() == name);
    let names: Vec<_> = Command::ALL.iter().map(|command| command.name()).collect();
    found.ok_or_else(|| bad(format!("command `{}` is none: give one of {}", cut(name, 40), names.join(", "))))
}

#[expect(clippy::needless_pass_by_value, reason = "results are mapped by it")]
fn bad(error: impl ToString) -> Cause {
    Cause::new(Code::InvalidArgument, "BAD_ROLLOUT", error.to_string())
}

fn refused(refusal: &ChangeError) -> Cause {
    let bad_input =
        matches!(refusal, ChangeError::NoStage { .. } | ChangeError::NoMode { .. } | ChangeError::Text { .. });
    if bad_input {
        return bad(refusal);
    }
    Cause::new(Code::FailedPrecondition, "ROLLOUT_REFUSED", refusal.to_string())
}

fn conflict(model: &ModelName, why: &str) -> Cause {
    let message = format!(
        "model {model} can't be changed: {why}. If its voters do not come back, use another name for the model: see \
         `psi-field lease voters show`"
    );
    Cause::new(Code::FailedPrecondition, "ROLLOUT_CONFLICT", message)
}

fn unwritten(model: &ModelName) -> Cause {
    let message = format!(
        "the rollback of {model} could not be written into this node's ledger in time; ask again, or another node, and look \
         at this one's log"
    );
    Cause::new(Code::Unavailable, "LEDGER_UNREADABLE", message)
}

fn unknown_rollout(model: &ModelName, id: &str) -> Cause {
    let message = if id.is_empty() {
        format!("model {model} had no rollout yet; start one: psi-field rollout start {model} VERSION")
    } else {
        format!("model {model} has no rollout `{}`; see `psi-field rollout list {model}`", cut(id, 80))
    };
    Cause::new(Code::NotFound, "UNKNOWN_ROLLOUT", message)
}

fn no_majority(model: &ModelName, refusal: Option<String>) -> Cause {
    let refusal = refusal.map(|refusal| format!("; {refusal}")).unwrap_or_default();
    let message = format!(
        "most voters of model {model} did not vote in time{refusal}. It may have been decided all the same: see `psi-field \
         rollout show {model}` and `psi-field lease voters show`"
    );
    Cause::new(Code::DeadlineExceeded, "NO_MAJORITY", message)
}
