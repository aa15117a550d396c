//! What a node wants decided, for a person or by itself.

use psi_rollout::{
    Change, ChangeError, Command, Force, Model, ModelEvent, Plan, Record, Rollbacks, RolloutId, Stage, VersionName,
};

use super::facts::KnownFacts;

/// What is wanted.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// What follows by itself, or a rollback that was written without a majority.
    Step { id: RolloutId, record: Record, actor: String, reason: String },
    /// A person names the champion, or another stage.
    Staging { version: VersionName, stage: Stage, is_forced: bool },
    /// A person begins a rollout.
    Start { canary: VersionName, plan: Plan, is_forced: bool },
    /// A person does something to a rollout.
    Command { id: RolloutId, command: Command, is_forced: bool },
    /// The same once more, for voters that an operator named.
    Voters,
}

/// Who a person is.
const PERSON: &str = "ann";

impl Wish {
    /// The change that it comes to after what was decided; `None` for the same model once more.
    pub(super) fn change(
        &self,
        decided: &Model,
        rollbacks: &Rollbacks,
        (facts, at_ms): (impl FnOnce(&Model) -> Option<KnownFacts>, u64),
    ) -> Result<Option<Change>, ChangeError> {
        let by_person = |event, is_forced| {
            let reason = if is_forced { "it is urgent" } else { "it is time" };
            Ok(Some(Change { event, at_ms, actor: PERSON.to_owned(), reason: reason.to_owned(), is_forced }))
        };
        match self {
            Self::Step { id, record, actor, reason } => {
                rollbacks.check_step(decided, (id, record))?;
                let event = ModelEvent::Rollout { id: id.clone(), record: record.clone() };
                let (actor, reason) = (actor.clone(), reason.clone());
                Ok(Some(Change { event, at_ms, actor, reason, is_forced: false }))
            }
            Self::Staging { version, stage, is_forced } => {
                by_person(ModelEvent::Staging { version: version.clone(), stage: *stage }, *is_forced)
            }
            Self::Start { canary, plan, is_forced } => {
                let event = ModelEvent::Start { canary: canary.clone(), plan: plan.clone(), is_remedy: false };
                by_person(event, *is_forced)
            }
            Self::Command { id, command, is_forced } => {
                let counts = rollbacks.applied_to(decided);
                let rollout = counts.rollout().filter(|rollout| rollout.id() == id);
                let (Some(rollout), Some(facts)) = (rollout, facts(&counts)) else {
                    return Err(ChangeError::NoRollout { model: decided.name().clone() });
                };
                let force = is_forced.then(|| Force::new("it is urgent").expect("a reason"));
                let record = rollout.propose(*command, force.as_ref(), &facts.facts())?;
                by_person(ModelEvent::Rollout { id: id.clone(), record }, *is_forced)
            }
            Self::Voters => Ok(None),
        }
    }
}
