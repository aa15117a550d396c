//! Models as registers have them, and what this node knows of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use psi_quorum::{BODY_BYTES_MAX, Decision, Step};
use psi_rollout::{
    Change, ChangeError, Model, ModelName, Record, Rollbacks, RolloutId, VoteRefusal, model::MODEL_BYTES_MAX,
};
use psi_state::Replica;

use super::rollbacks;

/// What the names of registers of models begin with: `rollout/MODEL`.
pub(crate) const MODEL_PREFIX: &str = "rollout/";

// A register holds what a model takes up.
const _: () = assert!(MODEL_BYTES_MAX <= BODY_BYTES_MAX);

/// The register of a model.
pub(crate) fn register_name(model: &ModelName) -> String {
    format!("{MODEL_PREFIX}{model}")
}

/// The model of a register.
///
/// # Errors
/// It is none of a model: why.
pub(super) fn model_of(register: &str) -> Result<ModelName, String> {
    let name = register.strip_prefix(MODEL_PREFIX).and_then(|name| ModelName::new(name).ok());
    name.ok_or_else(|| format!("this node votes on no register {register}"))
}

/// The model that a register decided last.
///
/// # Errors
/// It can't be read, or is another one: why.
pub(crate) fn decided_model(register: &str, decision: &Decision) -> Result<Model, String> {
    let name = model_of(register)?;
    if decision.step() == Step::GENESIS {
        return Ok(Model::new(name));
    }
    read_model(register, decision.value().body())
}

/// A model that is proposed for a register.
///
/// # Errors
/// It can't be read, or is another one: why.
pub(super) fn read_model(register: &str, body: &[u8]) -> Result<Model, String> {
    let name = model_of(register)?;
    let model = Model::from_bytes(body).map_err(|error| error.to_string())?;
    if *model.name() == name { Ok(model) } else { Err(format!("{} does not belong in {register}", model.name())) }
}

/// Whether what is proposed for a register follows by the rules from what it decided last.
///
/// # Errors
/// It does not: why.
pub(crate) fn check_model(register: &str, before: &Decision, body: &[u8]) -> Result<(), String> {
    let (before, next) = (decided_model(register, before)?, read_model(register, body)?);
    before.check_next(&next).map_err(|refusal| refusal.to_string())
}

/// The models that this node knows, with what rollbacks make of them.
#[derive(Debug, Default)]
pub(crate) struct Models {
    known: RwLock<BTreeMap<String, Arc<KnownModel>>>,
    rollbacks: Mutex<SeenRollbacks>,
    /// Why what follows was not decided when this node tried it last, by model.
    obstacles: Mutex<BTreeMap<String, String>>,
}

/// The rollbacks that this node has seen.
#[derive(Debug, Default)]
struct SeenRollbacks {
    /// Up to which state of the ledgers.
    generation: Option<u64>,
    rollbacks: Rollbacks,
}

/// A model.
#[derive(Debug)]
pub(crate) struct KnownModel {
    /// The step of its register.
    pub(crate) step: u64,
    /// How many rollbacks it was made with.
    pub(super) rollbacks: u64,
    /// As voters decided it.
    pub(crate) decided: Model,
    /// As it counts: rolled back where somebody wrote that.
    pub(crate) model: Model,
}

impl KnownModel {
    /// A rollback that counts and is not decided yet.
    pub(crate) fn pending_rollback(&self) -> Option<&Change> {
        self.decided.pending_rollback(&self.model)
    }
}

impl Models {
    /// A model by its name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<KnownModel>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All models, by name.
    pub(crate) fn all(&self) -> Vec<Arc<KnownModel>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Why what follows by itself is not decided, as far as this node has tried.
    pub(crate) fn obstacle(&self, name: &ModelName) -> Option<String> {
        self.obstacles.lock().unwrap_or_else(PoisonError::into_inner).get(name.as_str()).cloned()
    }

    pub(super) fn set_obstacle(&self, name: &ModelName, obstacle: Option<String>) {
        let mut obstacles = self.obstacles.lock().unwrap_or_else(PoisonError::into_inner);
        match obstacle {
            Some(why) => obstacles.insert(name.to_string(), why),
            None => obstacles.remove(name.as_str()),
        };
    }

    /// Takes over the rollbacks that ledgers show. Returns how many there ever were.
    pub(super) fn take_rollbacks(&self, replica: &Replica) -> u64 {
        let generation = replica.ledger_generation();
        let mut seen = self.rollbacks();
        if seen.generation != Some(generation) {
            seen.generation = Some(generation);
            seen.rollbacks.take_over(rollbacks::shown(replica));
        }
        seen.rollbacks.count()
    }

    /// Whether ledgers still show that a rollout was rolled back: they show the latest records alone.
    pub(super) fn shows_rollback(&self, model: &ModelName, id: &RolloutId) -> bool {
        self.rollbacks().rollbacks.is_shown(model, id)
    }

    /// Whether somebody rolled the latest rollout of a model back.
    pub(crate) fn has_rollback(&self, model: &Model) -> bool {
        self.rollbacks().rollbacks.has(model)
    }

    /// A decided model as it counts.
    pub(crate) fn as_it_counts(&self, decided: &Model) -> Model {
        self.rollbacks().rollbacks.applied_to(decided)
    }

    /// Whether what follows by itself, or a rollback that was written, may still follow what was decided.
    ///
    /// # Errors
    /// The rollout has ended meanwhile, or was rolled back.
    pub(crate) fn check_step(&self, decided: &Model, step: (&RolloutId, &Record)) -> Result<(), ChangeError> {
        self.rollbacks().rollbacks.check_step(decided, step)
    }

    /// Whether this node may vote for a model, by the rollbacks that it has seen.
    ///
    /// # Errors
    /// It takes the rollout further, which was rolled back.
    pub(super) fn check_vote(&self, next: &Model) -> Result<(), VoteRefusal> {
        self.rollbacks().rollbacks.check_vote(next)
    }

    fn rollbacks(&self) -> MutexGuard<'_, SeenRollbacks> {
        self.rollbacks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, known: KnownModel) {
        let mut models = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = models.get(known.decided.name().as_str());
        if before.is_none_or(|before| (before.step, before.rollbacks) <= (known.step, known.rollbacks)) {
            models.insert(known.decided.name().to_string(), Arc::new(known));
        }
    }
}
